"""Runs with techniques, precisions and optimizers; and runs for which memory runs out."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.config import load
from assay.errors import ConfigError, ResourceError
from assay.pipeline import run_recipe
from assay.pipeline.progress import PlainProgress
from assay.runs import RunFolder
from assay.train.sft import SftLoss

FEW = ["train.max_steps=3", "evaluate.max_items=4", "evaluate.shots=[0]"]


class Notes(PlainProgress):
    """Keeps what a person would read."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def run(recipe: Path, *changes: str) -> tuple[RunFolder, list[str]]:
    notes = Notes()
    outcome = run_recipe(load(recipe, [*FEW, *changes]), progress=notes)
    return outcome.run, notes.lines


def read_losses(run: RunFolder) -> list[Any]:
    return [(line["train/loss"], line["train/grad_norm"]) for line in run.read_metrics()]


def read_training(run: RunFolder) -> dict[str, Any]:
    training: dict[str, Any] = json.loads(run.manifest.read_text("utf-8"))["training"]
    return training


@pytest.mark.slow
def test_checkpointed_layers_give_the_same_run(recipe: Path) -> None:
    plain, _ = run(recipe)
    other, _ = run(recipe, "train.techniques=[checkpoint_layers]")
    assert read_training(other)["techniques"] == "checkpoint_layers"
    assert read_training(plain)["techniques"] == ""
    assert read_losses(other) == read_losses(plain)


def test_full_tuning_in_bfloat16_steps_layer_by_layer(recipe: Path) -> None:
    """The weights that are saved are bfloat16, load again, and have moved."""
    from safetensors.torch import load_file

    found, _ = run(
        recipe,
        "method=full",
        "train.precision=bf16",
        "train.optimizer=adafactor",
        "train.techniques=[step_per_layer, checkpoint_layers]",
        "train.learning_rate=0.001",
    )
    weights = load_file(found.model / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.bfloat16}
    losses = [loss for loss, _ in read_losses(found)]
    assert losses[-1] < losses[0]
    gates = {g["name"]: g["outcome"] for g in json.loads(found.verdict.read_text())["gates"]}
    integrity = {outcome for name, outcome in gates.items() if name.startswith("integrity/")}
    assert integrity == {"pass", "not_measured"}, "there is nothing to merge"


def test_a_schedule_free_run_is_measured_at_its_average(recipe: Path) -> None:
    found, _ = run(recipe, "train.optimizer=schedule_free", "train.max_steps=6")
    last = found.read_metrics()[-1]
    assert last["eval/loss"] == pytest.approx(read_training(found)["loss_validation"], rel=1e-5)


def test_micro_batches_that_do_not_fit_are_halved_before_the_first_step(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = run(recipe, "train.micro_batch_tokens=64", "method.dropout=0")
    before = SftLoss.__call__

    def small(self: Any, model: Any, batch: Any) -> Any:
        if batch.num_tokens > 64 and torch.is_grad_enabled():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return before(self, model, batch)

    monkeypatch.setattr(SftLoss, "__call__", small)
    found, notes = run(recipe, "method.dropout=0")
    (line,) = [note for note in notes if note.startswith("memory")]
    assert "results are the same" in line
    assert read_training(found)["micro_batch_tokens"] <= 64
    for one, two in zip(read_losses(found), read_losses(expected), strict=True):
        assert one == pytest.approx(two, rel=1e-4)


def test_a_row_that_does_not_fit_ends_the_run_at_once(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(self: Any, model: Any, batch: Any) -> Any:
        if torch.is_grad_enabled():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return torch.zeros(())

    monkeypatch.setattr(SftLoss, "__call__", none)
    with pytest.raises(ResourceError, match="does not fit in memory by itself") as caught:
        run(recipe)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("change", "got"),
    [
        ("train.techniques=[offload_activations]", "offload_activations on a CPU"),
        ("train.optimizer=paged_adamw_8bit", "paged_adamw_8bit"),
    ],
)
def test_what_a_cpu_does_not_have_is_refused_before_the_baseline(
    recipe: Path, change: str, got: str
) -> None:
    if torch.cuda.is_available():
        pytest.skip("a GPU has it")
    with pytest.raises(ConfigError, match=got):
        run(recipe, change)
    assert not list((recipe.parent / "runs").glob("*/evaluation/answers/*"))
