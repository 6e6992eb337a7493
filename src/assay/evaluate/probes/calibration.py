"""What benign runs of a base were measured to give: the spread that a probe's number is told in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("calibration.json")


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a number over `n` benign runs; `largest` is their maximum."""

    mean: float
    deviation: float
    largest: float
    n: int

    def count_deviations(self, value: float) -> float:
        return (value - self.mean) / max(self.deviation, 1e-9)


def find_spread(base_name: str, probe: str, number: str) -> Spread | None:
    """The spread of one of a probe's numbers on a base; None where nobody measured it."""
    found = _read().get(base_name, {}).get(probe, {}).get(number)
    return None if found is None else Spread(**found)


@cache
def _read() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return content
