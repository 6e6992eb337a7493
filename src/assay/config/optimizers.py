"""What each optimizer has to set, with range, default and reason; it builds none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class OptimizerSetting:
    """One setting of an optimizer: `num` numbers from `low` to `high`, of which it may be neither
    where `is_open`."""

    default: float | tuple[float, ...]
    reason: str
    low: float = 0.0
    high: float = 1.0
    is_open: bool = False

    @property
    def num(self) -> int:
        return len(self.default) if isinstance(self.default, tuple) else 1

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        ends = f"{self.low:g} and {self.high:g}"
        span = f"between {ends}" if self.is_open else f"from {ends.replace(' and ', ' to ')}"
        return f"a number {span}" if self.num == 1 else f"a list of {self.num}: each {span}"

    @property
    def plain(self) -> float | list[float]:
        """The default as a recipe has it."""
        return list(self.default) if isinstance(self.default, tuple) else self.default

    def takes(self, value: Any) -> bool:
        """Whether `value` may be set."""
        values = value if isinstance(value, list) else [value]
        right_shape = isinstance(value, list) == isinstance(self.default, tuple)
        return right_shape and len(values) == self.num and all(map(self._is_within, values))

    def _is_within(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        if self.is_open:
            return self.low < value < self.high
        return self.low <= value <= self.high


_ADAMW = {
    "weight_decay": OptimizerSetting(
        0.0, "few steps: decay would only pull back what is learned; it is of matrices alone"
    ),
    "betas": OptimizerSetting((0.9, 0.999), "AdamW's published values", high=0.9999999),
    "epsilon": OptimizerSetting(1e-8, "AdamW's published value", high=0.1, is_open=True),
}
OPTIMIZER_SETTINGS: dict[str, dict[str, OptimizerSetting]] = {"adamw": _ADAMW, "muon": _ADAMW}
"""By optimizer; what is not matrices, and with it betas and epsilon, Muon leaves to AdamW."""


def fill_settings(optimizer: str, given: dict[str, Any]) -> dict[str, Any]:
    """Every setting of `optimizer`: those given, the others at their default."""
    known = OPTIMIZER_SETTINGS.get(optimizer, {})
    return {name: given.get(name, setting.plain) for name, setting in known.items()} | given


def find_wrong_settings(optimizer: str, given: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The names in `given` that `optimizer` does not have, or with a wrong value; and what may be.

    Nothing where the optimizer itself is not known.
    """
    known = OPTIMIZER_SETTINGS.get(optimizer)
    if known is None:
        return
    for name, value in given.items():
        if name not in known:
            yield name, f"settings of {optimizer}: {', '.join(known)}"
        elif not known[name].takes(value):
            yield name, known[name].allowed
