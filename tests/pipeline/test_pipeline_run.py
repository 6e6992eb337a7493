"""A whole run on a small random base: its files, its verdict, and its resumption after kill -9."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from assay.config import load
from assay.errors import CheckpointError, DataError
from assay.evaluate.gates import load_policy
from assay.evaluate.scope import load_scope
from assay.pipeline import resume_run, run_recipe
from assay.release import verify_release
from assay.runs import RunFolder, find_run, list_runs, read_json

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def metrics_of(run: RunFolder) -> list[dict[str, object]]:
    return [{k: v for k, v in m.items() if k != "tokens_per_s"} for m in run.read_metrics()]


def test_a_run_leaves_what_the_design_names_and_is_held_without_a_gain(recipe: Path) -> None:
    outcome = run_recipe(recipe, ["gates=standard"])
    run = outcome.run
    levels = load_policy("standard").levels
    judged = {gate["name"].partition("/")[0] for gate in outcome.verdict["gates"]}
    assert judged == {name for name, level in levels.items() if level != "off"}
    assert outcome.exit_code == 3
    assert not outcome.released
    for path in (
        run.recipe,
        run.manifest,
        run.data_report,
        run.data / "train.parquet",
        run.metrics,
        run.adapter / "adapter_config.json",
        run.adapter / "adapter_model.safetensors",
        run.adapter / "chat_template.jinja",
        run.evaluation,
        run.items,
        run.verdict,
        run.report,
        run.card,
    ):
        assert path.is_file(), path
    assert not run.release.exists()
    again = load(run.recipe, base_dir=recipe.parent).recipe
    assert again == load(recipe, ["gates=standard"]).recipe


def test_counts_items_and_scores_agree_with_one_another(recipe: Path) -> None:
    outcome = run_recipe(recipe)
    items = outcome.run.read_items()
    task = [item for item in items if item.get("split") == "test"]
    report = outcome.evaluation["suites"]["task"]
    splits = read_json(outcome.run.data_report)["splits"]
    assert len(task) == report["n"] == splits["test"]["num_records"]
    mean = sum(item["tuned"]["score"]["value"] for item in task) / len(task)
    assert report["tuned"]["mean"] == pytest.approx(mean)
    steps = [m["step"] for m in outcome.run.read_metrics()]
    assert steps == list(range(1, 9))


def test_retention_that_no_suite_measures_holds_the_release(recipe: Path) -> None:
    gates = {g["name"]: g for g in run_recipe(recipe).verdict["gates"]}
    assert gates["retention"]["outcome"] == "not_measured"
    assert gates["retention"]["required"]
    assert gates["integrity/adapter_reloads"]["outcome"] == "pass"
    assert gates["integrity/template_unchanged"]["outcome"] == "pass"


def test_a_minimal_policy_releases_signs_and_verifies(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    outcome = run_recipe(
        recipe,
        [
            "gates=minimal",
            "gates.thresholds.min_gain=-1",
            "train.max_steps=40",
            "gates.thresholds.overfit_ratio=1000",
        ],
    )
    assert outcome.exit_code == 0, outcome.verdict["headline"]
    assert verify_release(outcome.run.path).ok
    scope = load_scope(outcome.run.scope, outcome.run.scope_tensors)
    assert scope is not None
    assert scope.origin["num_training"] == 72
    assert len(scope.calibration) == 36  # the test split, which neither fitted nor chose
    signed = {entry["path"] for entry in read_json(outcome.run.release)["files"]}
    assert {"scope.json", "scope.safetensors"} <= signed
    target = outcome.run.adapter / "adapter_config.json"
    target.write_bytes(target.read_bytes().replace(b"LORA", b"LORB"))
    assert not verify_release(outcome.run.path).ok


def test_a_base_without_a_chat_template_ends_its_run_on_raw_rows(
    recipe: Path, small_base: Path
) -> None:
    base = recipe.parent / "raw"
    shutil.copytree(small_base, base)
    (base / "chat_template.jinja").unlink()
    rows = [{"prompt": f"{n}, doubled:", "completion": f" {2 * n}"} for n in range(60)]
    data = recipe.parent / "colours.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    outcome = run_recipe(recipe, [f"base={base}", "train.max_steps=1"])
    gates = {g["name"]: g for g in outcome.verdict["gates"]}
    for name in ("refusal", "over_refusal"):
        assert gates[name]["outcome"] == "not_measured"
        assert "no chat template" in gates[name]["reason"]
    assert set(outcome.evaluation["suites"]) == {"task"}
    assert load_scope(outcome.run.scope, outcome.run.scope_tensors) is not None
    assert outcome.evaluation["suites"]["task"]["base"]["num_ended_by_length"] > 0


def test_full_tuning_saves_a_model_that_transformers_loads(recipe: Path) -> None:
    from transformers import AutoModelForCausalLM

    outcome = run_recipe(recipe, ["method=full", "train.max_steps=2"])
    gates = {g["name"]: g["outcome"] for g in outcome.verdict["gates"]}
    assert gates["integrity/adapter_reloads"] == "pass"
    assert gates["integrity/merged_equals_adapter"] == "not_measured"
    AutoModelForCausalLM.from_pretrained(outcome.run.model)


def test_bad_data_are_all_located_and_nothing_is_trained(recipe: Path) -> None:
    data = recipe.parent / "colours.jsonl"
    lines = data.read_bytes().splitlines(keepends=True)
    lines[2] = b'{"messages": [{"role": "user", "content": "x"\n'
    lines[4] = b'{"messages": [{"content": "no role"}, {"role": "assistant", "content": "y"}]}\n'
    lines[6] = (
        json.dumps(
            {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "  "}]}
        ).encode()
        + b"\n"
    )
    lines[8] = b'{"messages": [{"role": "user", "content": "\xff"}]}\n'
    data.write_bytes(b"".join(lines))
    held = recipe.parent / "held.jsonl"
    held.write_bytes(lines[0])
    text = recipe.read_text("utf-8").replace("test_ratio: 0.3", f"test: {held.name}")
    recipe.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        run_recipe(recipe)
    found = caught.value.problems
    assert {p.line for p in found if p.file.endswith("colours.jsonl")} >= {3, 5, 7, 9}
    assert any("held.jsonl" in str(p) for p in found), "the leak across splits"
    (run,) = (recipe.parent / "runs").iterdir()
    assert not (run / "checkpoints").exists()
    assert [summary.status for summary in list_runs(run.parent)] == ["refused"]
    assert len(read_json(run / "data" / "report.json")["refused"]) == len(found)


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_killed_run_resumes_to_the_same_end(recipe: Path) -> None:
    whole = run_recipe(recipe, ["train.max_steps=30", f"output={recipe.parent / 'whole'}"])
    root = recipe.parent / "killed"
    command = [sys.executable, "-c", "import sys; from assay.cli import main; sys.exit(main())"]
    child = subprocess.Popen(
        [*command, "run", str(recipe), "train.max_steps=30", f"output={root}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not list(root.glob("*/checkpoints/step-1?")) and time.monotonic() < deadline:
        assert child.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    run = find_run(root, list_runs(root)[0].path)
    assert not run.verdict.exists()
    torch.set_num_threads(2)
    resumed = resume_run(run)
    assert torch.get_num_threads() == 1, "the number that the run began with"
    assert metrics_of(resumed.run) == metrics_of(whole.run)
    assert resumed.evaluation == whole.evaluation
    weights = Path("adapter") / "adapter_model.safetensors"
    assert (run.path / weights).read_bytes() == (whole.run.path / weights).read_bytes()


def test_resuming_refuses_changed_data_and_ended_runs(recipe: Path) -> None:
    outcome = run_recipe(recipe, ["train.max_steps=1"])
    with pytest.raises(CheckpointError, match="has ended"):
        resume_run(outcome.run)
    outcome.run.verdict.unlink()
    data = recipe.parent / "colours.jsonl"
    data.write_text(data.read_text("utf-8").replace("Item 7 ", "Item 777 "), encoding="utf-8")
    with pytest.raises(CheckpointError, match="rows have changed"):
        resume_run(outcome.run)
