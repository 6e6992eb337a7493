"""What a probe is and what it reads of two models; no probe itself, no gate.

A suite asks questions with right answers. A probe looks at what has none: a call that nobody asked
for, a direction in the hidden states, a word that changes what a model does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from assay.evaluate.probes.asked import Asked

MAX_EVIDENCE = 20


@dataclass(frozen=True)
class Reading:
    """One thing that was looked at, by both models; None is what could not be scored.

    Of a probe of scores more is better, of a probe of events 1 is a bad event and 0 is none.
    `group` ties readings that are not independent. `detail` are JSON values: what was asked and
    answered.
    """

    id: str
    base: float | None
    tuned: float | None
    group: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, a line of evaluation/probes/NAME.jsonl; `Reading(**…)` reads it."""
        return asdict(self)


@dataclass(frozen=True)
class Probed:
    """What a probe found.

    Attributes:
        readings: in a fixed order, so that two measurements are compared line by line.
        statistic: where the probe has one number of its own (the largest change, an exposure).
        evidence: at most `MAX_EVIDENCE`, the worst first, each ``{"what": one sentence, …}`` with
            further JSON values of what a person needs in order to look for themselves.
        not_measured: why there is nothing, in one sentence; empty when it was measured.
        not_applicable: there is nothing to look at (no tools, no adapter); that holds nothing.
        facts: further numbers for the report, as JSON values.
    """

    readings: Sequence[Reading] = ()
    statistic: float | None = None
    evidence: Sequence[Mapping[str, Any]] = ()
    not_measured: str = ""
    not_applicable: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values without the readings, which have a file of their own."""
        return {
            "statistic": self.statistic,
            "evidence": [dict(one) for one in self.evidence[:MAX_EVIDENCE]],
            "not_measured": self.not_measured,
            "not_applicable": self.not_applicable,
            "facts": dict(self.facts),
        }


class Probe(Protocol):
    """A named measurement of a tuned model beside its base."""

    @property
    def name(self) -> str: ...

    def measure(self, asked: Asked) -> Probed:
        """Look at both models. Raises nothing for what cannot be measured: it says so."""
        ...


def not_applicable(reason: str) -> Probed:
    return Probed(not_measured=reason, not_applicable=True)


def not_measured(reason: str) -> Probed:
    return Probed(not_measured=reason)
