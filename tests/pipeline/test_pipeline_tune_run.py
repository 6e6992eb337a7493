"""`assay tune`: the run's own weights without baseline or gates, judged later; and its profile."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from assay.cli import main
from assay.config import load
from assay.errors import CheckpointError, ConfigError
from assay.pipeline import resume_run, run_recipe
from assay.pipeline.progress import PlainProgress
from assay.pipeline.tune_run import resume_tuning, run_tuning
from assay.runs import RunFolder, find_unfinished, summarize

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
FEW = ["train.max_steps=4", "evaluate.max_items=4", "evaluate.shots=[0]"]


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def read_adapter(run: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(run.adapter / "adapter_model.safetensors")


def test_a_tuning_can_be_used_and_is_judged_later(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    root = ("--root", str(tmp_path / "runs"))
    code, value = call(capsys, "tune", str(recipe), *FEW)
    assert code == 0
    assert value["training"]["num_steps"] == 4
    run = RunFolder.open(value["run"])
    assert not run.verdict.exists()
    assert not run.evaluation.exists()
    assert not run.evaluation.with_suffix("").exists(), "nothing was asked"

    code, listed = call(capsys, "runs", *root)
    assert [(one["status"], one["gain"]) for one in listed] == [("tuned", None)]
    assert find_unfinished(tmp_path / "runs") is None
    assert main(["runs", "show", str(run.path)]) == 0
    assert "assay run --resume" in capsys.readouterr().out
    code, answer = call(capsys, "chat", str(run.path), "-m", "Hello.", "--max-new-tokens", "3")
    assert (code, type(answer["answer"])) == (0, str)
    code, report = call(capsys, "eval", str(run.path), str(recipe.parent / "colours.jsonl"))
    assert (code, report["n"]) == (0, 120)
    code, exported = call(capsys, "export", str(run.path), "--to", "merged")
    assert code == 0
    assert exported["difference"] <= exported["tolerance"]
    with pytest.raises(CheckpointError, match="its training has ended"):
        resume_tuning(run)

    weights, metrics = read_adapter(run), run.read_metrics()
    outcome = resume_run(run)
    assert outcome.verdict["status"] in ("held", "released")
    assert outcome.evaluation["suites"]["task"]["n"] == 4
    assert run.read_metrics() == metrics, "nothing was trained again"
    assert summarize(run).status == outcome.verdict["status"]
    for name, value in read_adapter(run).items():
        assert torch.equal(value, weights[name])


@pytest.mark.slow
def test_its_weights_are_those_of_the_whole_run(recipe: Path) -> None:
    tuned = run_tuning(load(recipe, FEW)).run
    whole = run_recipe(load(recipe, FEW)).run
    assert read_adapter(tuned).keys() == read_adapter(whole).keys()
    for name, value in read_adapter(whole).items():
        assert torch.equal(value, read_adapter(tuned)[name]), name


def test_an_interrupted_tuning_is_unfinished_and_goes_on(recipe: Path) -> None:
    class Pressed(PlainProgress):
        def step(self, record: dict[str, Any], num_steps: int) -> None:
            if record["step"] == 2:
                raise KeyboardInterrupt

    whole = run_tuning(load(recipe, FEW)).run
    with pytest.raises(KeyboardInterrupt):
        run_tuning(load(recipe, FEW), progress=Pressed())
    run = find_unfinished(whole.path.parent)
    assert run is not None
    outcome = resume_tuning(run)
    assert summarize(run).status == "tuned"
    assert outcome.training.num_steps == 4
    for name, value in read_adapter(whole).items():
        assert torch.equal(value, read_adapter(run)[name]), name


def test_a_profile_accounts_for_the_time(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = run_tuning(load(recipe, FEW)).run
    capsys.readouterr()
    assert main(["tune", str(recipe), *FEW, "--profile"]) == 0
    out = capsys.readouterr().out
    run = RunFolder(Path(out.split("run      ")[1].splitlines()[0]))
    profile = json.loads((run.path / "profile.json").read_text("utf-8"))
    phases = profile["phases"]
    trained = ["data", "forward", "backward", "optimizer"]
    assert list(phases) == [*trained, "evaluation", "drift", "checkpoint"]
    assert {name: phases[name]["num_calls"] for name in ("forward", "backward", "optimizer")} == {
        "forward": 4,
        "backward": 4,
        "optimizer": 4,
    }
    assert all(total["num_calls"] >= 1 and total["wall_s"] > 0 for total in phases.values())
    inside = sum(total["wall_s"] for total in phases.values())
    assert inside <= profile["wall_s"] * 1.001
    assert profile["other_s"] == pytest.approx(profile["wall_s"] - inside, abs=1e-6)
    tokens = run.read_metrics()[-1]["tokens"]
    assert profile["num_tokens"] == tokens
    step_s = sum(phases[name]["wall_s"] for name in ("forward", "backward", "optimizer"))
    assert profile["tokens_per_s"] == pytest.approx(tokens / step_s)
    with gzip.open(run.path / "trace.json.gz", "rt", encoding="utf-8") as file:
        names = {event.get("name") for event in json.load(file)["traceEvents"]}
    assert {"assay/forward", "assay/backward", "assay/optimizer"} <= names
    for word in ("forward", "optimizer", "other", "tokens/s", "trace.json.gz"):
        assert word in out
    for name, value in read_adapter(plain).items():
        assert torch.equal(value, read_adapter(run)[name]), "watching changes nothing"


@pytest.mark.parametrize(
    ("changes", "profile", "got"),
    [
        (["sweep.learning_rate=[0.1, 0.2]"], False, "sweep"),
        (["launch.processes=2"], True, "a profile of 2 processes"),
    ],
)
def test_what_a_tuning_cannot_be(recipe: Path, changes: list[str], profile: bool, got: str) -> None:
    with pytest.raises(ConfigError, match=got):
        run_tuning(load(recipe, changes), profile=profile)
    assert not (recipe.parent / "runs").exists()


def test_a_profile_is_of_a_whole_tuning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "--resume", "--profile"]) == 2
    assert "--profile with --resume" in capsys.readouterr().err
