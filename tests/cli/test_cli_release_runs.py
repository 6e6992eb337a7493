"""`assay release`, `assay runs` and `assay compare` as a user types them."""

import json
from pathlib import Path

import pytest

from assay.cli.app import main
from assay.errors import EXIT_HELD, EXIT_OK, EXIT_USAGE
from assay.runs import RunFolder, write_bytes, write_json


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def make_run(name: str, *, status: str = "released", rank: int = 16) -> RunFolder:
    run = RunFolder.create("runs", name, f"base: tiny\nmethod: {{type: lora, rank: {rank}}}\n")
    outcome = "pass" if status == "released" else "fail"
    gate = {"name": "refusal", "outcome": outcome, "required": True, "reason": "All lost."}
    write_json(run.verdict, {"status": status, "headline": "So it is.", "gates": [gate]})
    gain = {"n": 40, "difference": 0.25, "low": 0.1, "high": 0.4}
    suite = {"kind": "task", "n": 40, "tuned": {"mean": 0.75, "low": 0.6, "high": 0.9}}
    write_json(
        run.evaluation, {"suites": {"task": {**suite, "comparisons": {"tuned_vs_base": gain}}}}
    )
    write_bytes(run.adapter / "adapter_model.safetensors", b"weights")
    return run


def test_release_verify_and_key(capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run("desk")
    assert main(["release", "desk"]) == EXIT_OK
    signed = capsys.readouterr().out
    assert main(["release", "key", "--export", "signer.pem", "--json"]) == EXIT_OK
    key_id = json.loads(capsys.readouterr().out)["key_id"]
    assert main(["release", "verify", str(run.path), "--key", "signer.pem"]) == EXIT_OK
    verified = capsys.readouterr().out
    fingerprint = " ".join(key_id[at : at + 4] for at in range(0, 64, 4))
    assert fingerprint in signed and fingerprint in verified
    write_bytes(run.adapter / "adapter_model.safetensors", b"Weights")
    assert main(["release", "verify", str(run.path), "--json"]) == EXIT_HELD
    [problem] = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["path"], problem["kind"]) == ("adapter/adapter_model.safetensors", "changed")
    assert main(["release", "key", "--export", "signer.pem"]) == EXIT_USAGE


def test_what_the_signature_does_not_cover_is_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = make_run("desk")
    write_bytes(run.checkpoints / "step-1" / "weights.safetensors", b"weights")
    assert main(["release", "desk"]) == EXIT_OK
    capsys.readouterr()
    assert main(["release", "verify", str(run.path)]) == EXIT_OK
    assert "WARNING   checkpoints/ (1 file): not covered" in capsys.readouterr().out
    assert main(["release", "verify", str(run.path), "--json"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out)["outside"] == {"checkpoints/": 1}


def test_a_held_run_needs_an_override(capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run("desk", status="held")
    assert main(["release", run.id]) == EXIT_HELD
    assert "refusal: fail (All lost.)" in capsys.readouterr().err
    assert main(["release", "--override", "For the trial.", run.id]) == EXIT_OK
    assert "override  For the trial." in capsys.readouterr().out
    assert main(["release", "nothing"]) == EXIT_USAGE


def test_runs_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == EXIT_OK
    assert capsys.readouterr().out == "no runs under runs/\n"
    first, second = make_run("first"), make_run("second", status="held")
    assert main(["release", "first"]) == EXIT_OK
    for path in (second.report, second.card):
        path.write_text("")
    capsys.readouterr()
    assert main(["runs"]) == EXIT_OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[2:]] == [["second", second.id], ["first", first.id]]
    assert lines[2].split()[-2:] == ["held", "+25.0"]
    assert main(["runs", "--json"]) == EXIT_OK
    rows = json.loads(capsys.readouterr().out)
    assert [(row["status"], row["gain"]) for row in rows] == [("held", 0.25), ("released", 0.25)]
    assert main(["runs", "show", "first"]) == EXIT_OK
    shown = capsys.readouterr().out
    assert "75.0\u202f% [60.0, 90.0]" in shown and "All lost." in shown
    assert main(["runs", "show", "third"]) == EXIT_USAGE


def test_options_before_show_hold_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run("desk")
    Path("runs").rename("elsewhere")
    assert main(["runs", "--root", "elsewhere", "--json", "show", "desk"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out)["id"] == run.id


def test_compare_shows_the_key_that_differs(capsys: pytest.CaptureFixture[str]) -> None:
    make_run("first")
    make_run("second", rank=4)
    assert main(["compare", "first", "second", "--json"]) == EXIT_OK
    found = json.loads(capsys.readouterr().out)
    assert found["recipe"] == [{"key": "method.rank", "a": 16, "b": 4}]
    assert main(["compare", "first", "second"]) == EXIT_OK
    assert ["method.rank", "16", "4"] in [
        line.split() for line in capsys.readouterr().out.splitlines()
    ]


def answer(run: RunFolder, marks: str, *, prefix: str = "q") -> None:
    """Lines of items that the tuned model answered rightly (1) or wrongly (0)."""
    rows = [
        {
            "suite": "task",
            "id": f"{prefix}{place}",
            "metric": "exact",
            "messages": [{"role": "user", "content": "?"}],
            "tuned": {"output": "", "score": {"metric": "exact", "value": float(mark)}},
        }
        for place, mark in enumerate(marks)
    ]
    write_bytes(run.items, "".join(json.dumps(row) + "\n" for row in rows).encode())


def test_compare_pairs_runs_on_the_same_items(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = make_run("first"), make_run("second")
    answer(first, "00000010")
    answer(second, "11111100")
    assert main(["compare", "first", "second", "--json"]) == EXIT_OK
    (pair,) = json.loads(capsys.readouterr().out)["paired"]
    comparison = pair["comparison"]
    assert (pair["suite"], pair["variant"], comparison["n"]) == ("task", "tuned", 8)
    # Six better, one worse: 2 * (1 + 7) / 2^7.
    assert (comparison["difference"], comparison["p_value"]) == (0.625, 16 / 128)
    assert main(["compare", "first", "second"]) == EXIT_OK
    shown = capsys.readouterr().out
    assert "task/tuned" in shown and "+62.5 [" in shown and "at 95\u202f%" in shown
    assert "p = 0.12" in shown and "mcnemar (6 better, 1 worse)" in shown


def test_compare_says_why_runs_are_not_paired(capsys: pytest.CaptureFixture[str]) -> None:
    answer(make_run("first"), "01")
    answer(make_run("second"), "01", prefix="other")
    assert main(["compare", "first", "second"]) == EXIT_OK
    shown = capsys.readouterr().out
    assert "not paired: different items: 2 in a alone, 2 in b alone" in shown


def test_show_prints_perplexities_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run("desk")
    tuned = {"mean": 0.0719, "low": 0.06, "high": 0.08, "perplexity": 13.9}
    suite = {"kind": "task", "metric": "perplexity", "n": 40, "tuned": tuned}
    write_json(run.evaluation, {"suites": {"task": suite}})
    assert main(["runs", "show", "desk"]) == EXIT_OK
    shown = capsys.readouterr().out
    assert "perplexity 13.9" in shown and "7.2" not in shown
    assert main(["compare", "desk", "desk", "--json"]) == EXIT_OK
    found = json.loads(capsys.readouterr().out)["evaluation"]
    assert found == [{"key": "task/tuned", "a": 13.9, "b": 13.9}]
