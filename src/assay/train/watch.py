"""What is watched while a model trains beside its loss; it knows no gauge and no suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.train.ranks import ALONE, Ranks

PREFIX = "drift/"


@dataclass(frozen=True)
class Limit:
    """The range in which a number is clean; an end that is None has no limit."""

    lowest: float | None = None
    highest: float | None = None

    def is_left_by(self, value: float) -> bool:
        """Whether `value` lies outside, or is no number."""
        low, high = self.lowest, self.highest
        inside = (low is None or value >= low) and (high is None or value <= high)
        return not inside


@dataclass(frozen=True)
class Watch:
    """Numbers that are read every so many steps and after the last.

    Attributes:
        measure: reads them of the model as it is; it must leave weights and generators alone. On
            several ranks all call it where `on_every_rank`, and else the first alone.
        every_steps: how often.
        limits: by name of a number; others are only written down.
        stops: training ends at the first reading outside of its limits, with the weights of the
            last reading within them.
    """

    measure: Callable[[], Mapping[str, float]]
    every_steps: int
    limits: Mapping[str, Limit] = field(default_factory=dict)
    stops: bool = False
    on_every_rank: bool = True

    def is_due(self, step: int, num_steps: int) -> bool:
        return step == num_steps or step % self.every_steps == 0

    def read(self, ranks: Ranks = ALONE) -> tuple[dict[str, Any], str]:
        """Metrics of the numbers, and what left its limits, as one sentence; "" where none did."""
        values = self.measure() if self.on_every_rank or ranks.is_first else {}
        left = [name for name, value in values.items() if self._is_left(name, value)]
        drifted = ranks.any(bool(left))
        told = ", ".join(f"{name} {values[name]:.3g}" for name in left)
        metrics = {f"{PREFIX}{name}": value for name, value in values.items()}
        return metrics, (told or "another process saw it") if drifted else ""

    def _is_left(self, name: str, value: float) -> bool:
        limit = self.limits.get(name)
        return limit is not None and limit.is_left_by(value)
