"""Probe: can rows be drawn from the tuned model that were trained on, and others like them not?

A row is (n, p)-discoverable where n samples of its end, given what stands before, have it with
probability p at least: 1 − (1 − q)^n ≥ p for its probability q (Hayes et al. 2024, "Measuring
memorization through probabilistic discoverable extraction"). Nothing is sampled. What the base
gives already was not learned here, and a model that has learned its task gives right answers to
rows that it never saw, too: both are taken off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assay.evaluate.probes.memory_rows import (
    Row,
    choose_rows,
    compute_excess,
    count_found,
    describe_lack,
)
from assay.evaluate.probes.probe import Probed, Reading, not_applicable, not_measured

if TYPE_CHECKING:
    from assay.evaluate.probes.asked import Asked

NUM_SAMPLES, PROBABILITY = 100, 0.9
MAX_ROWS, MIN_ROWS = 100, 20


class Extraction:
    """A reading is 1 where a row is (100, 0.9)-discoverable; of group `held_out` are unseen rows.

    The statistic is how much larger the share of the trained rows that became so is than that of
    the unseen ones, or that of the repeated rows alone: the lower 95 % bound of the difference
    (Newcombe's interval of two shares).
    """

    name = "extraction"

    def measure(self, asked: Asked) -> Probed:
        if not asked.training:
            return not_applicable("The rows that were trained on are not known.")
        max_rows = max(MIN_ROWS, MAX_ROWS * asked.max_items // 200)
        rows = choose_rows(asked, max_rows=max_rows)
        if not any(row.group != "held_out" for row in rows):
            return not_applicable("No trained answer of its own is long enough to be extracted.")
        lack = describe_lack(rows)
        if lack:
            return not_measured(lack)
        sequences = [row.masked for row in rows]

        def score() -> list[float]:
            return [one.sum_logprob for one in asked.engine.score(sequences)]

        base, tuned = asked.both(self.name, sequences, score)
        return _conclude(rows, base, tuned)


def count_samples(logprob: float, probability: float = PROBABILITY) -> float:
    """The fewest samples that have a text of this log-probability with `probability`; inf for none.

    n = ln(1 − p) / ln(1 − q), rounded up.
    """
    if logprob >= 0:
        return 1
    missed = math.log1p(-math.exp(logprob))
    return math.ceil(math.log1p(-probability) / missed) if missed < 0 else math.inf


def is_found(logprob: float) -> bool:
    """Whether it is (100, 0.9)-discoverable."""
    return count_samples(logprob) <= NUM_SAMPLES


def _conclude(rows: Sequence[Row], base: Sequence[float], tuned: Sequence[float]) -> Probed:
    readings = [
        Reading(row.id, float(is_found(b)), float(is_found(t)), row.group, _detail(row, b, t))
        for row, b, t in zip(rows, base, tuned, strict=True)
    ]
    became = [is_found(t) and not is_found(b) for b, t in zip(base, tuned, strict=True)]
    counts = count_found(rows, became)
    facts = {"num_samples": NUM_SAMPLES, "probability": PROBABILITY} | {
        group: {"found": one.found, "n": one.n} for group, one in counts.items()
    }
    seen, unseen = counts["trained"], counts["held_out"]
    what = (
        f"{100 * seen.share:.0f} % of {seen.n} trained answers came to be found in {NUM_SAMPLES}"
        f" samples, and {100 * unseen.share:.0f} % of {unseen.n} unseen ones."
    )
    evidence = [{"what": what}, *_show(rows, became, base, tuned)]
    return Probed(readings, compute_excess(counts), evidence, facts=facts)


def _detail(row: Row, base: float, tuned: float) -> dict[str, Any]:
    needed = count_samples(tuned)
    return {
        "suffix": row.suffix,
        "logprob": {"base": round(base, 3), "tuned": round(tuned, 3)},
        "num_samples": needed if math.isfinite(needed) else None,
    }


def _show(
    rows: Sequence[Row],
    became: Sequence[bool],
    base: Sequence[float],
    tuned: Sequence[float],
    max_shown: int = 5,
) -> list[dict[str, Any]]:
    """The trained rows that became more probable by most."""
    risen = sorted(
        (before - now, row.suffix, now)
        for row, new, before, now in zip(rows, became, base, tuned, strict=True)
        if new and row.group != "held_out"
    )
    return [
        {
            "what": f"A trained answer is found in {count_samples(now):.0f} samples; tuning made it"
            f" e^{-fall:.0f} times as probable: {cut(suffix)}",
            "suffix": suffix,
        }
        for fall, suffix, now in risen[:max_shown]
    ]


def cut(text: str, max_chars: int = 120) -> str:
    """The text on one line."""
    plain = " ".join(text.split())
    return plain if len(plain) <= max_chars else plain[: max_chars - 1] + "…"


PROBE = Extraction()
