"""What a sweep tried, read from the run's manifest; chooses nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
        """What was chosen, out of how many and by what, as one sentence."""
        if self.chosen is None:
            return ""
        return (
            f"{self.chosen.label} was chosen out of {len(self.candidates)} candidates by"
            f" {self.chosen_by} ({plain(self.chosen.loss)} on {plain(self.num_validation)} rows);"
            " it alone was measured on the test rows."
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
