"""A candidate of a repair before and after the choosing questions; it asks none."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Wanted:
    """A candidate that is to be weighed; see `Weighed`."""

    name: str
    intervention: str
    setting: str
    source: str = ""
    factor: float = 1.0


@dataclass(frozen=True)
class Weighed:
    """One candidate on the choosing questions.

    Attributes:
        name: of the candidate, by which it is found again after an interruption.
        intervention: what was done, one of `candidates.INTERVENTIONS`.
        setting: how, in words.
        source, factor: where its weights lie, from the run's folder ("" for the held ones), and by
            how much they are drawn back to the base's (see `candidates.Candidate`).
        task, gain: mean score on the task's validation items, and over the base's.
        kept: `gain` by that of the held model; None where that gains nothing.
        gates: as in verdict.json, of the gates that the choosing questions answer.
        losses: ``loss_train`` and ``loss_validation`` in nats per trained token.
        passes: every required one of the gates does, and something is gained.
        seconds: what making and asking it took, on the clock.
    """

    name: str
    intervention: str
    setting: str
    source: str
    factor: float
    task: float
    gain: float
    kept: float | None
    gates: list[dict[str, Any]]
    losses: dict[str, float]
    passes: bool
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `Weighed(**…)` reads them."""
        return asdict(self)

    @property
    def failing(self) -> list[str]:
        """The required gates that do not pass."""
        return [g["name"] for g in self.gates if g["required"] and g["outcome"] != "pass"]


def describe(one: Weighed) -> str:
    """A candidate in a line: what it keeps of the task, and which gates it does not pass."""
    kept = "" if one.kept is None else f", keeps {100 * one.kept:.0f} % of the gain"
    gates = {gate["name"]: gate for gate in one.gates}
    told = [f"{name} {_tell_number(gates[name]['statistic'])}" for name in one.failing]
    ending = "passes" if one.passes else f"fails {', '.join(told) or 'task_gain'}"
    return f"{one.intervention}, {one.setting}: task {one.task:.3f}{kept}; {ending}"


def _tell_number(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"
