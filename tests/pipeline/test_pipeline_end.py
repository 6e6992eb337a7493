"""How a run ends: what was saved is checked, the verdict is followed up, an old base is refused."""

import gc
import json
import shutil
import weakref
from pathlib import Path
from typing import Any

import pytest

from assay.config import load
from assay.errors import CheckpointError, ConfigError, ReleaseError, UsageError
from assay.evaluate.gates import load_policy
from assay.models import base, export
from assay.models.base import load_model
from assay.pipeline import RunOutcome, resume_run, run_recipe
from assay.pipeline.export import export_run
from assay.pipeline.gate import load_gate_policy
from assay.pipeline.regate import regate
from assay.pipeline.subject import load_subject
from assay.release import load_or_make_key, verify_release
from assay.runs import RunFolder, list_runs

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
POLICY = "extends: minimal\ngates: {refusal: off, over_refusal: off, overfit: off}\n"
SHORT = ["gates=short.yaml", "train.max_steps=2"]
RELEASED = [*SHORT, "gates.thresholds.min_gain=-1"]


@pytest.fixture(autouse=True)
def policy(tmp_path: Path) -> None:
    """Gates that no built-in suite is asked for, so that runs are short."""
    (tmp_path / "short.yaml").write_text(POLICY, encoding="utf-8")


def list_files(run: RunFolder) -> set[str]:
    return {path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file()}


def only_run(recipe: Path) -> RunFolder:
    (summary,) = list_runs(recipe.parent / "runs")
    return RunFolder(summary.path)


def test_a_failing_integrity_check_holds_the_run_and_loses_nothing(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs when the evaluation is on disk and the tuned model is out of memory."""
    models: list[Any] = []
    found: list[bool] = []

    def load(*arguments: Any, **options: Any) -> Any:
        model = load_model(*arguments, **options)
        models.append(weakref.ref(model))
        return model

    def fail(*arguments: object, **options: object) -> None:
        gc.collect()
        found.extend(model() is None for model in models)
        found.extend(
            path.is_file() for path in (only_run(recipe).evaluation, only_run(recipe).items)
        )
        raise RuntimeError("out of memory: 3 GiB wanted.\nmore lines")

    monkeypatch.setattr(base, "load_model", load)
    monkeypatch.setattr(export, "check_integrity", fail)
    outcome = run_recipe(recipe, RELEASED)
    assert found == [True, True, True]
    assert outcome.exit_code == 3
    gates = {gate["name"]: gate for gate in outcome.verdict["gates"]}
    for name in ("adapter_reloads", "merged_equals_adapter", "template_unchanged"):
        gate = gates[f"integrity/{name}"]
        assert (gate["outcome"], gate["required"]) == ("not_measured", True)
        assert gate["reason"].endswith("The check failed: out of memory: 3 GiB wanted.")
    assert gates["task_gain"]["outcome"] == "pass"
    assert outcome.run.report.is_file() and outcome.run.card.is_file()


def test_a_judged_run_without_its_papers_gets_them_without_a_model(recipe: Path) -> None:
    outcome = run_recipe(recipe, SHORT)
    run, files = outcome.run, list_files(outcome.run)
    with pytest.raises(CheckpointError, match="has ended"):
        resume_run(run)
    (recipe.parent / "colours.jsonl").unlink()
    for missing in ([run.report], [run.card], [run.report, run.card]):
        for path in missing:
            path.unlink()
        again = resume_run(run)
        assert (again.exit_code, again.signer) == (3, None)
        assert (again.verdict, again.evaluation) == (outcome.verdict, outcome.evaluation)
        assert list_files(run) == files


def test_a_release_that_was_cut_off_is_signed_from_its_stored_files(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First without a place for the key, then killed between verdict and signature."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "file"))
    with pytest.raises(ReleaseError, match="ASSAY_HOME"):
        run_recipe(recipe, RELEASED)
    run = only_run(recipe)
    assert run.evaluation.is_file() and not run.verdict.exists()
    weights = (run.adapter / "adapter_model.safetensors").stat().st_mtime_ns
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    outcome = resume_run(run)
    assert outcome.exit_code == 0
    assert verify_release(run.path).ok
    assert [record["step"] for record in run.read_metrics()] == [1, 2]
    for missing in ([run.signature], [run.report, run.release, run.signature]):
        for path in missing:
            path.unlink()
        again = resume_run(run)
        assert (again.exit_code, again.signer) == (0, outcome.signer)
        assert verify_release(run.path).ok
    assert (run.adapter / "adapter_model.safetensors").stat().st_mtime_ns == weights
    with pytest.raises(CheckpointError, match="has ended"):
        resume_run(run)
    with pytest.raises(UsageError, match="lies in a signed run"):
        export_run(str(run.path), form="merged", out=str(run.path / "exports"))
    exported = export_run(str(run.path), form="merged", out=None)
    assert exported.folder == run.path.with_name(f"{run.path.name}-merged")
    assert verify_release(run.path).ok


def test_what_would_spoil_the_end_is_refused_at_the_start(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    (recipe.parent / "policy.yaml").write_text("gates: {no_such_gate: required}\n", "utf-8")
    with pytest.raises(ConfigError, match="no_such_gate"):
        run_recipe(recipe, ["gates=policy.yaml"])
    load_or_make_key().path.chmod(0o644)
    with pytest.raises(ReleaseError, match="chmod 600"):
        run_recipe(recipe)
    assert not (recipe.parent / "runs").exists()


@pytest.fixture()
def begun(
    recipe: Path, small_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> RunOutcome:
    """A run whose base is a folder beside its recipe, begun from another folder."""
    shutil.copytree(small_base, recipe.parent / "base")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return run_recipe(recipe, ["base=base", *SHORT])


def test_a_base_beside_the_recipe_is_found_and_a_changed_one_refused(
    begun: RunOutcome, recipe: Path
) -> None:
    run, folder = begun.run, recipe.parent / "base"
    assert load_subject(str(run.path)).base.folder == folder
    run.verdict.unlink()

    def change(name: str, content: str) -> Any:
        path = folder / name
        before = path.read_text("utf-8")
        path.write_text(content, encoding="utf-8")
        return lambda: path.write_text(before, encoding="utf-8")

    config = json.loads((folder / "config.json").read_text("utf-8"))
    for name, content, what in (
        ("config.json", json.dumps(config | {"rope_theta": 5.0}), "weights, config.json or token"),
        ("chat_template.jinja", "{{ messages[0].content }}", "chat template"),
    ):
        restore = change(name, content)
        with pytest.raises(CheckpointError, match=f"the {what}.* changed since this run began"):
            resume_run(run)
        with pytest.raises(CheckpointError, match="restore the base"):
            load_subject(str(run.path))
        restore()
    assert resume_run(run).verdict == begun.verdict


def test_a_run_is_judged_again_by_any_policy_from_what_it_stored(recipe: Path) -> None:
    """The same policy gives the same verdict, number for number."""
    outcome = run_recipe(recipe, RELEASED)
    files = list_files(outcome.run)
    own = load_gate_policy(load(outcome.run.recipe, base_dir=recipe.parent))
    again = regate(outcome.run, own)
    assert json.loads(json.dumps(again.to_dict())) == outcome.verdict
    assert {**again.evaluation, "data": None} == {**outcome.evaluation, "data": None}
    strict = regate(outcome.run, load_policy("strict"))
    assert strict.verdict.status == "held"
    assert list_files(outcome.run) == files


def test_a_run_that_was_not_measured_cannot_be_judged(recipe: Path) -> None:
    outcome = run_recipe(recipe, SHORT)
    outcome.run.evaluation.unlink()
    with pytest.raises(CheckpointError, match="not measured yet"):
        regate(outcome.run, load_policy("minimal"))
