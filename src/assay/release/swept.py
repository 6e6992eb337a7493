"""What a sweep tried, read from the run's manifest; chooses nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assay.errors import CheckpointError
from assay.release.wording import plain
from assay.runs import RunFolder
from assay.runs.find import read_or_empty
from assay.runs.values import dig, mapping, number, sequence, text


@dataclass(frozen=True)
class Tried:
    """One candidate: its setting in words, its best validation loss in nats, and how it ended.

    `loss`, `num_steps` and `best_step` are None where `failed` says why.
    """

    name: str
    label: str
    loss: float | None
    num_steps: float | None
    best_step: float | None
    stopped_early: bool
    failed: str
    is_chosen: bool


@dataclass(frozen=True)
class Sweep:
    """All candidates in the order of the recipe, and by what one of them was chosen."""

    candidates: list[Tried]
    chosen_by: str
    num_validation: float | None

    @property
    def chosen(self) -> Tried | None:
        """The one whose adapter is the run's."""
        return next((one for one in self.candidates if one.is_chosen), None)

    @property
    def sentence(self) -> str:
        """What was chosen, out of how many and by what, in words."""
        if self.chosen is None:
            return ""
        return (
            f"Chosen out of {len(self.candidates)} candidates by {self.chosen_by}"
            f" ({plain(self.chosen.loss)} on {plain(self.num_validation)} rows):"
            f" {self.chosen.label}. It alone was measured on the test rows."
        )


def read_sweep(run: RunFolder) -> Sweep | None:
    """The sweep of a run whose choice has been made; None of any other."""
    known = mapping(read_or_empty(run.manifest).get("sweep"))
    candidates = [mapping(one) for one in sequence(known.get("candidates"))]
    if not candidates:
        return None
    chosen = text(known.get("chosen"))
    return Sweep(
        [_read_candidate(one, chosen) for one in candidates],
        text(known.get("chosen_by")),
        number(known.get("num_validation")),
    )


def read_curves(run: RunFolder, sweep: Sweep) -> dict[str, list[dict[str, Any]]]:
    """The metrics of each candidate by its name; those that cannot be read are empty."""
    curves: dict[str, list[dict[str, Any]]] = {}
    for one in sweep.candidates:
        try:
            curves[one.name] = RunFolder(run.path / "sweep" / one.name).read_metrics()
        except CheckpointError:
            curves[one.name] = []
    return curves


def _read_candidate(value: dict[str, Any], chosen: str) -> Tried:
    name = text(value.get("name"))
    return Tried(
        name=name,
        label=text(value.get("label")),
        loss=number(dig(value, "training", "loss_validation_best")),
        num_steps=number(dig(value, "training", "num_steps")),
        best_step=number(dig(value, "training", "best_step")),
        stopped_early=bool(dig(value, "training", "stopped_early")),
        failed=text(value.get("failed")),
        is_chosen=bool(name) and name == chosen,
    )
