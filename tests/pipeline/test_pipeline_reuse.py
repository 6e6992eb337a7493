"""Kept activations of frozen layers: the same training, announced, resumed exactly, or refused."""

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from assay.cli import main
from assay.config import load
from assay.errors import ConfigError
from assay.pipeline.progress import PlainProgress
from assay.pipeline.tune_run import resume_tuning, run_tuning
from assay.runs import RunFolder

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
TOP = [
    "method={type: lora, rank: 4, target_modules: [layers.1.mlp.up_proj, layers.1.mlp.down_proj]}",
    "train.max_steps=null",
    "train.epochs=2",
]


def tune(recipe: Path, techniques: str) -> tuple[RunFolder, str]:
    said = io.StringIO()
    loaded = load(recipe, [*TOP, f"train.techniques={techniques}"])
    return run_tuning(loaded, progress=PlainProgress(said)).run, said.getvalue()


def losses(run: RunFolder) -> list[float]:
    return [line["train/loss"] for line in run.read_metrics()]


@pytest.mark.parametrize("techniques", ["[reuse_in_memory]", "[reuse_on_disk]", "auto"])
def test_a_training_on_kept_activations_is_the_same(recipe: Path, techniques: str) -> None:
    plain, said = tune(recipe, "[]")
    assert "reusing" not in said
    run, said = tune(recipe, techniques)
    where = "on disk" if "disk" in techniques else "in memory"
    assert f"reusing what 1 frozen layers give: 0 MB {where}" in said
    assert losses(run) == pytest.approx(losses(plain), rel=1e-4)
    assert not list(run.checkpoints.glob("*.bin"))


class Interrupting(PlainProgress):
    """Presses Ctrl-C after a number of steps, in the second epoch."""

    def step(self, record: dict[str, Any], num_steps: int) -> None:
        if record["step"] == 12:
            raise KeyboardInterrupt


def test_a_resumed_one_fills_its_store_with_the_same_bits(recipe: Path) -> None:
    whole, _ = tune(recipe, "[reuse_in_memory]")
    loaded = load(recipe, [*TOP, "train.techniques=[reuse_in_memory]", "name=cut"])
    with pytest.raises(KeyboardInterrupt):
        run_tuning(loaded, progress=Interrupting(io.StringIO()))
    (folder,) = recipe.parent.glob("runs/cut-*")
    run = resume_tuning(RunFolder.open(folder)).run
    assert losses(run) == losses(whole)
    weights = [load_file(one.adapter / "adapter_model.safetensors") for one in (run, whole)]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_where_no_layer_is_frozen_it_is_refused(recipe: Path) -> None:
    loaded = load(recipe, ["train.techniques=[reuse_in_memory]", "method=lora"])
    with pytest.raises(ConfigError, match="every layer is trained") as caught:
        run_tuning(loaded, progress=PlainProgress(io.StringIO()))
    assert caught.value.problems[0].key == "train.techniques"


def test_a_full_disk_is_named_and_leaves_no_file(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    code = main(["tune", str(recipe), *TOP, "train.techniques=[reuse_on_disk]", "name=full"])
    assert code == 4
    assert "the disk is full" in capsys.readouterr().err
    (folder,) = recipe.parent.glob("runs/full-*")
    assert not list(folder.glob("**/*.bin"))
