"""Compares two policies on recorded traffic: where each would have sent every request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.serve.router.decide import Decision, Reading, decide
from assay.serve.router.log import Recorded
from assay.serve.router.rules import Policy

NOT_RECORDED = "not recorded"
_SHOWN = 20


@dataclass
class Comparison:
    """Requests by where they go under the policies `a` and `b`.

    Attributes:
        moves: pairs of places, with how often each came.
        unknown: lines on which a policy asks for a scope that was not recorded, by policy.
        changed: lines on which the two differ, the first of them.
    """

    num: int = 0
    a: Counter[str] = field(default_factory=Counter)
    b: Counter[str] = field(default_factory=Counter)
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    changed: list[int] = field(default_factory=list)

    @property
    def num_changed(self) -> int:
        return sum(num for (one, other), num in self.moves.items() if one != other)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "num": self.num,
            "a": dict(self.a),
            "b": dict(self.b),
            "num_changed": self.num_changed,
            "moves": [
                {"a": one, "b": other, "num": num}
                for (one, other), num in self.moves.most_common()
                if one != other
            ],
            "not_recorded": dict(self.unknown),
            "changed_lines": self.changed,
        }


def replay(recorded: Iterable[Recorded], a: Policy, b: Policy) -> Comparison:
    """Decide every line by both; where a needed scope was not recorded the place is unknown."""
    found = Comparison()
    for line in recorded:
        found.num += 1
        places = []
        for name, policy, counts in (("a", a, found.a), ("b", b, found.b)):
            decision = decide_again(policy, line)
            place = decision.to if decision is not None else NOT_RECORDED
            found.unknown[name] += decision is None
            counts[place] += 1
            places.append(place)
        one, other = places
        found.moves[one, other] += 1
        if one != other and len(found.changed) < _SHOWN:
            found.changed.append(line.line)
    return found


def decide_again(policy: Policy, line: Recorded) -> Decision | None:
    """The decision of `policy` by what was recorded; None where that is not enough.

    A model's reading is found by the model or alias that the policy names.
    """
    kept = {one.asked: one for one in line.readings.values()}
    kept |= {one.model: one for one in line.readings.values() if one.model}
    is_known = True

    def read(names: Sequence[str]) -> Mapping[str, Reading]:
        nonlocal is_known
        found = {}
        for name in names:
            reading = kept.get(policy.models[name].model)
            is_known = is_known and reading is not None
            found[name] = reading or Reading(obstacle=NOT_RECORDED)
        return found

    known_label = not line.facts.label or line.facts.label in policy.labels
    if not known_label:
        return None
    decision = decide(policy, line.facts, read)
    return decision if is_known else None
