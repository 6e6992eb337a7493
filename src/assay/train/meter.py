"""Numbers that an objective sums while it computes a loss, beside the loss itself."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from assay.train.ranks import ALONE, Ranks


class Meter:
    """Sums by name, each a mean once it is divided by its weight.

    All ranks add the same names. What was added to a step that is done again is dropped by `clear`.
    """

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.names = names
        self._totals: dict[str, Tensor | float] = {}
        self._weights: dict[str, float] = {}

    def add(self, values: Mapping[str, Tensor], weight: float) -> None:
        """Add the sums of `values` (scalars) of `weight` rows; nothing waits for the device."""
        for name, value in values.items():
            self._totals[name] = self._totals.get(name, 0.0) + value.detach().double()
            self._weights[name] = self._weights.get(name, 0.0) + weight

    def clear(self) -> None:
        self._totals.clear()
        self._weights.clear()

    def read(self, prefix: str, ranks: Ranks = ALONE) -> dict[str, float]:
        """The means over all `ranks` since the last `clear`, which it does; collective."""
        if not self.names:
            return {}
        sums = [float(self._totals.get(name, 0.0)) for name in self.names]
        weights = [self._weights.get(name, 0.0) for name in self.names]
        found = ranks.sum(*sums, *weights)
        self.clear()
        totals, counts = found[: len(sums)], found[len(sums) :]
        return {
            f"{prefix}{name}": total / count
            for name, total, count in zip(self.names, totals, counts, strict=True)
            if count
        }


NO_METER = Meter()
