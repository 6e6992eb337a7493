"""The command: verbs about recipes, `init`, and how every ending becomes an exit code."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import assay
from assay.cli import main
from assay.cli.app import _TRAIN_PACKAGES, _explain, build_app
from assay.cli.output import print_error
from assay.errors import ConfigError, Problem, ReleaseError


def test_help_names_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    verbs = [
        line.split()[0] for line in capsys.readouterr().out.split("Commands:")[1].splitlines()[1:]
    ]
    assert {"init", "config", "version"} <= set(verbs)
    assert verbs.index("init") == 0
    assert verbs.index("data") == 1


def test_version_as_option_verb_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == main(["version"]) == 0
    assert capsys.readouterr().out == f"assay {assay.__version__}\n" * 2
    assert main(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["assay"] == assay.__version__


def test_schema_is_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["required"] == ["base", "data"]
    assert schema["additionalProperties"] is False


def test_explain_as_text_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "explain", "seed"]) == 0
    assert capsys.readouterr().out.startswith("seed\n  Seed of everything random")
    assert main(["config", "explain", "seed", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["key"], row["default"]) == ("seed", "0")


def test_errors_go_to_stderr_with_their_number(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [Problem("a", "b", "c", "f.yaml", 1, 2, "k"), Problem("x", do="y")]
    print_error(ConfigError(problems), as_json=False)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "f.yaml:1:2 k: got a, allowed b, do c\ngot x, do y\n2 problems\n"


def test_errors_as_json_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "explain", "sed", "--json"]) == 2
    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert (error["kind"], error["exit_code"]) == ("ConfigError", 2)
    assert error["problems"][0]["do"] == "write seed"
    assert captured.err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "no such command 'nothing', do see `assay --help`"),
        (
            ["config", "schema", "--bad"],
            "no such option: --bad, do see `assay config schema --help`",
        ),
    ],
)
def test_wrong_usage_is_the_users_error(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.strip() == f"command line: got {message}"


def test_init_writes_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "desk")
    assert main(["init", folder, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    files = ["recipe.yaml", "recipe.schema.json", "messages.jsonl", "general.jsonl"]
    assert value["files"] == files
    assert main(["init", folder]) == 2
    assert capsys.readouterr().err.endswith("4 problems\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (ReleaseError("x"), 3),
        (MemoryError(), 4),
        (OSError(errno.ENOSPC, "full"), 4),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), 4),
    ],
)
def test_every_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert _explain(error).exit_code == code


def test_a_bug_of_ours_saves_its_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("ASSAY_DEBUG", raising=False)
    print_error(_explain(ZeroDivisionError("oh")), as_json=False)
    (saved,) = tmp_path.iterdir()
    message = capsys.readouterr().err
    assert message.startswith("this is a bug of ours (ZeroDivisionError: oh)")
    assert str(saved) in message and "Traceback" not in message
    assert "ZeroDivisionError: oh" in saved.read_text(encoding="utf-8")


def test_the_debug_switch_shows_the_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("ASSAY_DEBUG", "1")
    assert _explain(KeyError("k")).exit_code == 1
    assert "KeyError: 'k'" in capsys.readouterr().err


def test_a_package_of_the_train_extra_that_is_missing_is_named() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    names = {
        re.split(r"[\[<>=]", one)[0].replace("-", "_")
        for one in [*extras["data"], *extras["train"]]
    }
    names = {{"python_stdnum": "stdnum"}.get(name, name) for name in names}
    optional = {"backports.zstd"}  # only .zst files need it, and say so
    assert names - {"assay"} - optional == set(_TRAIN_PACKAGES)
    error = _explain(ModuleNotFoundError("No module named 'torch'", name="torch"))
    assert error.exit_code == 2
    assert str(error).startswith("installation: got torch, which is not installed")
    assert "pip install '.[train]'" in str(error)


def test_every_verb_has_json() -> None:
    import typer.main

    def list_leaves(command: object, name: str) -> list[tuple[str, object]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            return [(name, command)]
        return [leaf for key, each in inner.items() for leaf in list_leaves(each, f"{name} {key}")]

    for name, command in list_leaves(typer.main.get_command(build_app()), "assay"):
        options = [option for each in command.params for option in each.opts]  # type: ignore[attr-defined]
        assert "--json" in options, name


def test_a_reader_that_stops_early_is_no_error() -> None:
    code = "import sys; from assay.cli import main; sys.exit(main(['config', 'schema']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(assay.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_dry_run_reads_the_policy_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n', encoding="utf-8")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("base: tiny\ndata: {train: rows.jsonl}\ngates: ours.yaml\n")
    policy = tmp_path / "ours.yaml"
    policy.write_text("gates:\n  retension: required\n", encoding="utf-8")
    assert main(["run", str(recipe), "--dry-run"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"{policy}:2:3 gates.retension: got an unknown name")
    policy.write_text("thresholds:\n  confidence: 0.99\n", encoding="utf-8")
    assert main(["run", str(recipe), "--dry-run"]) == 0
    assert "confidence: null" in capsys.readouterr().out
