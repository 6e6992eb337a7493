"""Checkpoints that hold everything a run needs to go on as if it had not stopped.

A checkpoint is a folder ``step-N`` with the trainable weights, the optimizer state, the random
generators and the loop's own state, all as safetensors and JSON. It is written beside its final
name and renamed when whole, so a kill at any moment leaves the one before. On several ranks the
first writes what all have in common, and any number of ranks goes on from it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from assay.errors import CheckpointError, ResourceError
from assay.train.optimizer import Optimizer
from assay.train.ranks import ALONE, Ranks, is_sharded
from assay.train.rng import RngState, capture_rng, restore_rng
from assay.train.shard import lay_out_like
from assay.train.state_tree import join_tree, split_tree
from assay.train.tensor_files import has_tensors, load_tensors, save_tensors

# Safetensors passes the reason on as text alone.
DISK_FULL = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


def trainable_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The trainable parameters by name, detached: a copy on the CPU, but where they are spread."""
    return {
        name: parameter.detach()
        if is_sharded(parameter)
        else parameter.detach().to("cpu", copy=True).contiguous()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def load_trainable_tensors(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copy `tensors` into the trainable parameters of `model`, which must have the same names."""
    parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    if parameters.keys() != tensors.keys():
        different = sorted(parameters.keys() ^ tensors.keys())
        raise CheckpointError(
            f"the checkpoint's weights are not those of this method: {len(different)} names differ,"
            f" the first is {different[0]}; start a new run, or restore the recipe"
        )
    for name, parameter in parameters.items():
        if parameter.shape != tensors[name].shape:
            raise CheckpointError(
                f"the checkpoint's weights are not those of this method: {name} has the shape"
                f" {list(tensors[name].shape)}, not {list(parameter.shape)}; start a new run, or"
                " restore the recipe"
            )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(lay_out_like(tensors[name], parameter))


class Checkpoints:
    """The checkpoint folder of one run: ``step-N`` folders, the newest `keep`, and ``best``.

    With several `ranks`, every method is collective and the folder is one that all of them see.
    """

    def __init__(self, folder: Path, *, keep: int = 2, ranks: Ranks = ALONE) -> None:
        self.folder = folder
        self.keep = keep
        self.ranks = ranks
        if ranks.is_first:
            for old in folder.glob(".*.old"):
                _undo_replacement(old)
        ranks.wait()

    def steps(self) -> list[int]:
        """Steps with a whole checkpoint, ascending."""
        found = self.folder.glob("step-*") if self.folder.is_dir() else ()
        numbers = (path.name.removeprefix("step-") for path in found)
        return sorted(int(number) for number in numbers if number.isdigit())

    def save(
        self,
        model: nn.Module,
        optimizers: Sequence[Optimizer],
        state: dict[str, Any],
    ) -> Path:
        """Write the checkpoint of ``state["step"]`` and drop the oldest beyond `keep`.

        Raises:
            ResourceError: the disk is full; the checkpoint before is untouched.
        """
        target = self.folder / f"step-{state['step']}"
        with _replacing(target, self.ranks) as draft:
            save_tensors(draft, "weights", trainable_tensors(model), self.ranks)
            states = [optimizer.state_dict() for optimizer in optimizers]
            optimizer_json, tensors = split_tree(states, name="optimizers")
            save_tensors(draft, "optimizer", tensors, self.ranks)
            if self.ranks.is_first:
                rng = capture_rng()
                save_file(rng.tensors, draft / "rng.safetensors")
                content = {**state, "optimizers": optimizer_json, "python_rng": rng.python}
                (draft / "state.json").write_text(json.dumps(content), encoding="utf-8")
        if self.ranks.is_first:
            for step in self.steps()[: -self.keep]:
                shutil.rmtree(self.folder / f"step-{step}")
        return target

    def load(self, model: nn.Module, optimizers: Sequence[Optimizer]) -> dict[str, Any] | None:
        """Restore the newest checkpoint into `model`, `optimizers` and the generators.

        Returns the loop's state, or None when there is no checkpoint.

        Raises:
            CheckpointError: files are missing, damaged, or of another method.
        """
        steps = self.steps()
        if not steps:
            return None
        folder = self.folder / f"step-{steps[-1]}"
        try:
            weights = load_tensors(folder, "weights", model)
            tensors = load_tensors(folder, "optimizer", model)
            rng = load_file(folder / "rng.safetensors")
            state: dict[str, Any] = json.loads((folder / "state.json").read_text("utf-8"))
        except (OSError, ValueError, SafetensorError) as error:
            raise CheckpointError(
                f"{folder}: the checkpoint cannot be read ({error}); delete this folder to resume"
                " from the one before, or start a new run"
            ) from error
        load_trainable_tensors(model, weights)
        _restore_optimizers(optimizers, _spread_like(model, tensors), state.pop("optimizers"))
        restore_rng(RngState(rng, state.pop("python_rng")))
        return state

    @property
    def has_best(self) -> bool:
        """Whether the weights of a best evaluation were kept."""
        return has_tensors(self.folder / "best", "weights")

    def save_best(self, model: nn.Module) -> None:
        """Keep the trainable weights of the best evaluation so far."""
        self._save_named(model, "best")

    def load_best(self, model: nn.Module) -> bool:
        """Put the best weights back into `model`; False when none were kept."""
        return self._load_named(model, "best")

    def save_clean(self, model: nn.Module) -> None:
        """Keep the trainable weights of the last reading without drift."""
        self._save_named(model, "clean")

    def make_clean_best(self) -> None:
        """Those weights take the place of the best evaluation's."""
        with _replacing(self.folder / "best", self.ranks) as draft:
            if self.ranks.is_first:
                shutil.copytree(self.folder / "clean", draft, dirs_exist_ok=True)

    def _save_named(self, model: nn.Module, name: str) -> None:
        with _replacing(self.folder / name, self.ranks) as draft:
            save_tensors(draft, "weights", trainable_tensors(model), self.ranks)

    def _load_named(self, model: nn.Module, name: str) -> bool:
        folder = self.folder / name
        if not has_tensors(folder, "weights"):
            return False
        try:
            tensors = load_tensors(folder, "weights", model)
        except (OSError, ValueError, SafetensorError) as error:
            raise CheckpointError(
                f"{folder}: the {name} weights cannot be read ({error}); start a new run"
            ) from error
        load_trainable_tensors(model, tensors)
        return True


class _replacing:
    """Yields a draft folder and renames it to `target` on success; cleans up on failure.

    The first rank makes and renames it, when all have written; and all go on when that is done.
    """

    def __init__(self, target: Path, ranks: Ranks) -> None:
        self.target = target
        self.draft = target.with_name(f".{target.name}.draft")
        self.ranks = ranks

    def __enter__(self) -> Path:
        if self.ranks.is_first:
            shutil.rmtree(self.draft, ignore_errors=True)
            self.draft.mkdir(parents=True)
        self.ranks.wait()
        return self.draft

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            self.ranks.wait()
            if self.ranks.is_first:
                self._replace()
            self.ranks.wait()
            return
        if self.ranks.is_first:
            shutil.rmtree(self.draft, ignore_errors=True)
        if any(reason in str(error) for reason in DISK_FULL):
            raise ResourceError(
                f"{self.target}: the disk is full, or a limit on it reached, while writing a"
                f" checkpoint ({error}); free space and resume, the checkpoint before is whole"
            ) from error

    def _replace(self) -> None:
        for path in self.draft.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        old = self.target.with_name(f".{self.target.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if self.target.exists():
            self.target.rename(old)
        self.draft.rename(self.target)
        shutil.rmtree(old, ignore_errors=True)


def _undo_replacement(old: Path) -> None:
    """Give ``.NAME.old`` its name back where a kill fell between the two renames."""
    target = old.with_name(old.name.removeprefix(".").removesuffix(".old"))
    if not target.exists():
        old.rename(target)


def _spread_like(model: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Optimizer state laid out as the weights of its shape are, where those are spread."""
    sharded = {tuple(p.shape): p for p in model.parameters() if p.requires_grad and is_sharded(p)}
    return {
        name: lay_out_like(tensor, sharded.get(tuple(tensor.shape), tensor))
        for name, tensor in tensors.items()
    }


def _restore_optimizers(
    optimizers: Sequence[Optimizer], tensors: dict[str, Tensor], content: Any
) -> None:
    try:
        states = join_tree(content, tensors)
        for optimizer, state in zip(optimizers, states, strict=True):
            optimizer.load_state_dict(state)
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            "the checkpoint's optimizer is not that of this recipe"
            f" ({error}); start a new run, or restore the recipe"
        ) from error
