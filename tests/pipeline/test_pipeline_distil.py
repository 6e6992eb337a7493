"""Runs that learn from a teacher: checked before they begin, resumed, with every kind of method."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from assay.config import load
from assay.errors import CheckpointError, ConfigError
from assay.pipeline.progress import PlainProgress
from assay.pipeline.tune_run import resume_tuning, run_tuning
from assay.runs import RunFolder, find_unfinished, read_json
from assay.train.distil import DISTIL_METRICS

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
FEW = ["train.max_steps=4"]


@pytest.fixture(scope="module")
def teacher(small_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the tokenizer of the small base, and other weights."""
    folder = tmp_path_factory.mktemp("teacher") / "model"
    shutil.copytree(small_base, folder)
    weights = load_file(folder / "model.safetensors")
    torch.manual_seed(3)
    moved = {name: value + 0.1 * torch.randn_like(value) for name, value in weights.items()}
    save_file(moved, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


class Pressed(PlainProgress):
    """Ctrl-C after the second step."""

    def step(self, record: dict[str, Any], num_steps: int) -> None:
        if record["step"] == 2:
            raise KeyboardInterrupt


def _with(teacher: Path, more: str = "") -> list[str]:
    return [*FEW, f"objective={{type: distil, teacher: {teacher}{more}}}"]


def _read(run: RunFolder) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    records = [{k: v for k, v in r.items() if k != "tokens_per_s"} for r in run.read_metrics()]
    return load_file(run.adapter / "adapter_model.safetensors"), records


@pytest.mark.parametrize(
    "more",
    [
        "beta: 0.5, temperature: 2, sft_weight: 0.1",
        "beta: 1, on_policy: 0.6, max_new_tokens: 6, sampling_temperature: 0.8",
    ],
)
def test_an_interrupted_distillation_goes_on_as_if_it_had_not_been(
    recipe: Path, teacher: Path, more: str
) -> None:
    settings = _with(teacher, f", {more}")
    whole = run_tuning(load(recipe, settings))
    with pytest.raises(KeyboardInterrupt):
        run_tuning(load(recipe, settings), progress=Pressed())
    run = find_unfinished(whole.run.path.parent)
    assert run is not None
    resume_tuning(run)
    (weights, records), (other, others) = _read(whole.run), _read(run)
    assert records == others
    assert all(torch.equal(value, other[name]) for name, value in weights.items())
    names = {f"{part}/{name}" for part in ("train", "eval") for name in DISTIL_METRICS}
    assert names <= records[-1].keys()
    assert whole.training.loss_validation < whole.training.loss_validation_base
    told = read_json(run.manifest)["teacher"]
    assert told["name"] == str(teacher) and told["adapter_sha256"] == []


def test_a_run_does_not_go_on_with_another_teacher(
    recipe: Path, teacher: Path, tmp_path: Path
) -> None:
    moving = tmp_path / "moving"
    shutil.copytree(teacher, moving)
    with pytest.raises(KeyboardInterrupt):
        run_tuning(load(recipe, _with(moving)), progress=Pressed())
    weights = load_file(moving / "model.safetensors")
    weights["model.norm.weight"] += 1
    save_file(weights, moving / "model.safetensors", metadata={"format": "pt"})
    run = find_unfinished(tmp_path / "runs")
    assert run is not None
    with pytest.raises(CheckpointError, match="the teacher is another"):
        resume_tuning(run)


def test_the_base_teaches_by_its_adapter_or_its_prompt(recipe: Path) -> None:
    """At its teacher the divergence is nought; and a prompt is learned to be done without."""
    sft = run_tuning(load(recipe, ["train.max_steps=8"])).run
    own = f"objective={{type: distil, teacher_adapter: {sft.adapter}}}"
    start = f"method={{type: lora, start_from: {sft.adapter}}}"
    same = run_tuning(load(recipe, ["train.max_steps=1", own, start])).training
    assert same.loss_validation_base == pytest.approx(0, abs=1e-5)
    fresh = run_tuning(load(recipe, [*FEW, own])).training
    assert fresh.loss_validation < 0.9 * fresh.loss_validation_base
    told = "objective={type: distil, teacher_prompt: Say blue whatever is asked., beta: 1}"
    prompted = run_tuning(load(recipe, [*FEW, told]))
    assert 0 < prompted.training.loss_validation < prompted.training.loss_validation_base
    assert prompted.training.num_parameters == fresh.num_parameters


@pytest.mark.parametrize("method", ["{type: qlora, rank: 4}", "full"])
def test_every_method_learns_from_it(recipe: Path, teacher: Path, method: str) -> None:
    if "qlora" in method:
        pytest.importorskip("bitsandbytes")
    settings = [*_with(teacher), f"method={method}", "train.learning_rate=0.003"]
    training = run_tuning(load(recipe, settings)).training
    assert training.loss_validation < training.loss_validation_base
    assert math.isfinite(training.loss_train)


@pytest.mark.slow
@pytest.mark.parametrize("more", ["", ", on_policy: 0.5, max_new_tokens: 6"])
def test_two_processes_learn_what_one_does(recipe: Path, teacher: Path, more: str) -> None:
    settings = [*_with(teacher, more), "method={type: lora, rank: 4}"]
    alone = run_tuning(load(recipe, settings)).training
    both = run_tuning(load(recipe, [*settings, "launch.processes=2"])).training
    assert both.loss_validation == pytest.approx(alone.loss_validation, abs=1e-4)
    assert both.loss_validation_base == pytest.approx(alone.loss_validation_base, abs=1e-5)


def _use_other_tokenizer(folder: Path) -> None:
    path = folder / "tokenizer.json"
    told = json.loads(path.read_text("utf-8"))
    vocabulary = told["model"]["vocab"]
    first, second = sorted(vocabulary, key=vocabulary.__getitem__)[300:302]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    path.write_text(json.dumps(told), encoding="utf-8")


def test_a_teacher_with_another_tokenizer_is_told_to_teach_by_text(
    recipe: Path, teacher: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(teacher, other)
    _use_other_tokenizer(other)
    with pytest.raises(ConfigError) as caught:
        run_tuning(load(recipe, _with(other)))
    (problem,) = caught.value.problems
    assert problem.key == "objective.teacher" and "2 entries differ" not in problem.got
    assert "4 entries differ" in problem.got and "assay data distil" in problem.do


@pytest.mark.parametrize(
    ("settings", "got"),
    [
        ("teacher: nowhere", "nowhere, which is neither a folder nor"),
        ("teacher_adapter: nowhere", "'nowhere', without adapter_config.json"),
    ],
)
def test_a_teacher_that_is_not_there_is_named(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, settings: str, got: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError) as caught:
        run_tuning(load(recipe, [f"objective={{type: distil, {settings}}}"]))
    (problem,) = caught.value.problems
    assert problem.key == f"objective.{settings.split(':')[0]}" and problem.got.startswith(got)


def test_rows_that_have_a_system_prompt_cannot_take_the_teachers(recipe: Path) -> None:
    told = "objective={type: distil, teacher_prompt: Be brief.}"
    with pytest.raises(ConfigError, match="84 rows with a system prompt"):
        run_tuning(load(recipe, [told, "data.system=Be kind."]))


@pytest.mark.parametrize(
    ("settings", "got"),
    [
        ("objective=distil", "the base as its own teacher"),
        (
            "objective={type: distil, teacher: b, on_policy: 0.5, sft_weight: 1}",
            "a weight of the rows' own answers",
        ),
        (
            "objective={type: distil, teacher: b, max_new_tokens: 9}",
            "how answers are written, where none is",
        ),
        ("defend={token_betas: [2, 2, 0.1]}", "token_betas, which holds"),
        ("base.new_tokens=[<x>]", "new tokens, of which a teacher"),
    ],
)
def test_what_does_not_go_with_a_teacher_is_refused_by_name(
    recipe: Path, settings: str, got: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(recipe, ["objective={type: distil, teacher: b}", settings])
    assert any(problem.got.startswith(got) for problem in caught.value.problems), caught.value
