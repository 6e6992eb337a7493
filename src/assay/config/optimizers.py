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


_PUBLISHED = "the published value"
_DECAY = {
    "weight_decay": OptimizerSetting(
        0.0, "few steps: decay would only pull back what is learned; it is of matrices alone"
    )
}
_EPSILON = {"epsilon": OptimizerSetting(1e-8, "AdamW's published value", high=0.1, is_open=True)}
_ADAMW = {
    **_DECAY,
    "betas": OptimizerSetting((0.9, 0.999), "AdamW's published values", high=0.9999999),
    **_EPSILON,
}
OPTIMIZER_SETTINGS: dict[str, dict[str, OptimizerSetting]] = {
    "adamw": _ADAMW,
    "adamw_8bit": _ADAMW,
    "paged_adamw_8bit": _ADAMW,
    "adafactor": {
        **_DECAY,
        "momentum": OptimizerSetting(
            0.0, "none, and no memory for it: what this optimizer is chosen for", high=0.9999999
        ),
        "decay_rate": OptimizerSetting(-0.8, _PUBLISHED, low=-1.0, high=0.0, is_open=True),
        "clip_threshold": OptimizerSetting(1.0, _PUBLISHED, high=1000.0, is_open=True),
        "epsilon": OptimizerSetting(1e-30, _PUBLISHED, high=0.1, is_open=True),
    },
    "lion": {
        **_DECAY,
        "betas": OptimizerSetting((0.9, 0.99), "the published values", high=0.9999999),
    },
    "muon": {
        **_ADAMW,
        "momentum": OptimizerSetting(0.95, _PUBLISHED, high=0.9999999),
    },
    "schedule_free": {
        **_DECAY,
        "betas": OptimizerSetting((0.9, 0.999), "the published values", is_open=True),
        **_EPSILON,
    },
}
"""By optimizer.

Adafactor (Shazeer and Stern 2018) makes absolute steps, of the recipe's learning rate; its
`decay_rate` is the exponent c of the second moment's decay rate 1 - step ** c, `clip_threshold` the
root mean square above which an update is scaled down. What is not a hidden matrix, and with it
betas and epsilon, Muon leaves to AdamW. The first beta of schedule-free AdamW is the share of the
average at the point where gradients are taken.
"""


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
