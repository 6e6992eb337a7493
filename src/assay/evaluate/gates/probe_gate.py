"""Which gates read which probes, by which test; data alone, judged in `probes`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Test = Literal["no_loss", "no_event", "at_most"]
TESTS: tuple[Test, ...] = ("no_loss", "no_event", "at_most")


@dataclass(frozen=True)
class ProbeGate:
    """How a gate reads a probe; `noun` is what the sentences call what was looked for."""

    probe: str
    test: Test
    bound: float
    min_items: int
    noun: str


PROBE_GATES: dict[str, ProbeGate] = {
    "persona": ProbeGate("persona", "at_most", 0.3, 30, "shift towards another character"),
    "drift": ProbeGate("drift", "at_most", 0.5, 30, "divergence from the base on general answers"),
}
"""The gates that read probes, by name, in the order of verdicts; policies may change them."""
