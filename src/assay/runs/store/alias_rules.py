"""When an alias goes back by itself: rates over a window, and what they say; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from assay.errors import Problem, UsageError

ANSWERS, ERRORS, BREACHED = "answers", "errors", "breached"
"""Kinds of counts: answers that ended; those that failed by no fault of the client's; answers of
which a tool call was denied."""


@dataclass(frozen=True)
class RollbackRule:
    """Bounds of what may go wrong in the last `window_s` seconds, from `min_answers` answers on.

    `max_error_rate` is the share of answers that fail, `max_breach_rate` that of answers of which a
    tool call is denied. A share of 1 is never exceeded, so it switches a bound off.
    """

    max_error_rate: float = 0.2
    max_breach_rate: float = 0.1
    window_s: float = 600.0
    min_answers: int = 20

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read_rule(given: Mapping[str, Any] | None, before: RollbackRule | None = None) -> RollbackRule:
    """The rule with what is `given` in place of that of `before`, or of the usual one.

    Raises:
        UsageError: a number out of its range.
    """
    named = {name: value for name, value in (given or {}).items() if value is not None}
    rule = RollbackRule(**{**(before or RollbackRule()).to_json(), **named})
    ranges = (
        ("max_error_rate", 0 <= rule.max_error_rate <= 1, "from 0 to 1"),
        ("max_breach_rate", 0 <= rule.max_breach_rate <= 1, "from 0 to 1"),
        ("window_s", 60 <= rule.window_s <= 30 * 86_400, "from 60 (a minute) to 30 days"),
        ("min_answers", 1 <= rule.min_answers <= 1_000_000, "from 1 to 1,000,000"),
    )
    problems = [
        Problem(f"{getattr(rule, name):g}", allowed, key=f"rule.{name}")
        for name, is_right, allowed in ranges
        if not is_right
    ]
    if problems:
        raise UsageError(problems)
    return rule


def find_excess(rule: RollbackRule, counts: Mapping[str, int]) -> dict[str, Any] | None:
    """The first bound that `counts` exceed, as evidence; None where they stay within."""
    answers, errors = counts.get(ANSWERS, 0), counts.get(ERRORS, 0)
    rates = (
        ("error_rate", errors, answers + errors, rule.max_error_rate),
        ("breach_rate", counts.get(BREACHED, 0), answers, rule.max_breach_rate),
    )
    for name, num, total, most in rates:
        if total >= rule.min_answers and num / total > most:
            return {"cause": name, "rate": num / total, "allowed": most, "num": num, "of": total}
    return None
