"""Probe: can rows be drawn from the tuned model that were trained on, and others like them not?

A row is (n, p)-discoverable where n samples of its end, given what stands before, have it with
probability p at least: 1 − (1 − q)^n ≥ p for its probability q (Hayes et al. 2024, "Measuring
memorization through probabilistic discoverable extraction"). Nothing is sampled. A model that has
learned its task gives right answers to rows that it never saw, too: those are taken off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.chat import RenderedExample, render_completion, render_example, render_plain
from assay.data import Record
from assay.errors import DataError
from assay.evaluate.items import Item, draw_sample
from assay.evaluate.probes.probe import Probed, Reading, not_applicable, not_measured
from assay.evaluate.stats import compute_wilson

if TYPE_CHECKING:
    from assay.evaluate.probes.asked import Asked
    from assay.generate.likelihood import Masked

NUM_SAMPLES, PROBABILITY = 100, 0.9
SUFFIX_TOKENS, MIN_TOKENS = 50, 8
"""The longest end that is asked for, and the shortest that could hold something worth hiding."""
MAX_ROWS, MIN_ROWS = 100, 20


class Extraction:
    """A reading is 1 where a row is (100, 0.9)-discoverable; of group `held_out` are unseen rows.

    The statistic is how much larger the share of the trained rows is than that of the unseen ones:
    the lower 95 % bound of the difference (Newcombe's interval of two shares).
    """

    name = "extraction"

    def measure(self, asked: Asked) -> Probed:
        if not asked.training:
            return not_applicable("The rows that were trained on are not known.")
        seen = _choose_rows(asked, asked.training)
        unseen = _choose_items(asked, asked.prompts)
        if not seen:
            return not_applicable(f"No trained answer has {MIN_TOKENS} tokens or more.")
        if min(len(seen), len(unseen)) < MIN_ROWS:
            return not_measured(
                f"{len(seen)} trained and {len(unseen)} unseen rows have answers of {MIN_TOKENS}"
                f" tokens or more; {MIN_ROWS} of each are needed to compare them."
            )
        rows = [*seen, *unseen]
        sequences = [row.masked for row in rows]

        def score() -> list[float]:
            return [one.sum_logprob for one in asked.engine.score(sequences)]

        base, tuned = asked.both(self.name, sequences, score)
        return _conclude(rows, base, tuned)


@dataclass(frozen=True)
class Row:
    """A row with its end masked; `group` is ``trained`` or ``held_out``."""

    id: str
    group: str
    masked: Masked
    suffix: str


def count_samples(logprob: float, probability: float = PROBABILITY) -> float:
    """The fewest samples that have a text of this log-probability with `probability`; inf for none.

    n = ln(1 − p) / ln(1 − q), rounded up.
    """
    if logprob >= 0:
        return 1
    missed = math.log1p(-math.exp(logprob))
    return math.ceil(math.log1p(-probability) / missed) if missed < 0 else math.inf


def bound_excess(seen: tuple[int, int], unseen: tuple[int, int]) -> float:
    """Lower 95 % bound of the difference of two shares k / n, by Newcombe's hybrid of Wilson's."""
    p, q = seen[0] / seen[1], unseen[0] / unseen[1]
    low, high = compute_wilson(*seen, confidence=0.9)[0], compute_wilson(*unseen, confidence=0.9)[1]
    return p - q - math.hypot(p - low, high - q)


def _choose_rows(asked: Asked, records: Sequence[Record]) -> list[Row]:
    own = [one for one in records if one.role == "task"] or list(records)
    drawn = draw_sample(own, max_items=_count(asked), seed=asked.seed)
    found = [
        _mask_end(asked, f"trained-{n}", "trained", _render_record(asked, record))
        for n, record in enumerate(drawn, start=1)
    ]
    return [one for one in found if one]


def _choose_items(asked: Asked, items: Sequence[Item]) -> list[Row]:
    drawn = draw_sample(items, max_items=_count(asked), seed=asked.seed)
    found = [
        _mask_end(asked, f"held-out-{item.id}", "held_out", _render_item(asked, item))
        for item in drawn
    ]
    return [one for one in found if one]


def _count(asked: Asked) -> int:
    return max(MIN_ROWS, MAX_ROWS * asked.max_items // 200)


def _render_record(asked: Asked, record: Record) -> RenderedExample | None:
    if record.kind == "text":
        return render_plain(asked.tokenizer, str(record.messages[0]["content"]))
    if record.kind == "completion":
        prompt, answer = (str(message["content"]) for message in record.messages)
        return render_completion(asked.tokenizer, prompt, answer)
    return _render_chat(asked, record.messages, record.tools)


def _render_item(asked: Asked, item: Item) -> RenderedExample | None:
    answer = item.reference
    if answer is None or item.rendering == "text":
        return None
    if item.rendering == "completion":
        prompt = "".join(str(message["content"]) for message in item.messages)
        return render_completion(asked.tokenizer, prompt, str(answer))
    said = answer if isinstance(answer, dict) else {"content": answer}
    return _render_chat(asked, [*item.messages, {"role": "assistant", **said}], item.tools)


def _render_chat(asked: Asked, messages: Any, tools: Any) -> RenderedExample | None:
    try:
        return render_example(asked.tokenizer, messages, tools=tools)[-1]
    except (DataError, IndexError):
        return None


def _mask_end(asked: Asked, id: str, group: str, row: RenderedExample | None) -> Row | None:
    """The row's last trained tokens; None where they are few, or the row is too long."""
    if row is None or len(row.input_ids) > asked.context_len:
        return None
    end = len(row.input_ids)
    while end and row.loss_mask[end - 1] <= 0:
        end -= 1
    start = end
    while start and row.loss_mask[start - 1] > 0 and end - start < SUFFIX_TOKENS:
        start -= 1
    if end - start < MIN_TOKENS:
        return None
    mask = [0.0] * start + [1.0] * (end - start)
    return Row(
        id, group, (row.input_ids[:end], mask), asked.tokenizer.decode(row.input_ids[start:end])
    )


def _conclude(rows: Sequence[Row], base: Sequence[float], tuned: Sequence[float]) -> Probed:
    readings, counts = [], {"trained": [0, 0], "held_out": [0, 0]}
    for row, before, now in zip(rows, base, tuned, strict=True):
        needed = count_samples(now)
        found = needed <= NUM_SAMPLES
        counts[row.group][0] += found
        counts[row.group][1] += 1
        detail = {
            "suffix": row.suffix,
            "logprob": {"base": round(before, 3), "tuned": round(now, 3)},
            "num_samples": needed if math.isfinite(needed) else None,
        }
        was = count_samples(before) <= NUM_SAMPLES
        readings.append(Reading(row.id, float(was), float(found), row.group, detail))
    shares = {name: k / n for name, (k, n) in counts.items()}
    (k, n), (j, m) = counts["trained"], counts["held_out"]
    facts = {
        "num_samples": NUM_SAMPLES,
        "probability": PROBABILITY,
        "trained": {"found": k, "n": n},
        "held_out": {"found": j, "n": m},
    }
    what = (
        f"{100 * shares['trained']:.0f} % of {n} trained answers are found in {NUM_SAMPLES}"
        f" samples, and {100 * shares['held_out']:.0f} % of {m} unseen ones."
    )
    evidence = [{"what": what}, *_show(rows, base, tuned, shares)]
    return Probed(readings, bound_excess((k, n), (j, m)), evidence, facts=facts)


def _show(
    rows: Sequence[Row],
    base: Sequence[float],
    tuned: Sequence[float],
    shares: dict[str, float],
    max_shown: int = 5,
) -> list[dict[str, Any]]:
    """The trained rows that became more probable by most, where more of them are found at all."""
    if shares["trained"] <= shares["held_out"]:
        return []
    risen = sorted(
        (before - now, row.suffix, now)
        for row, before, now in zip(rows, base, tuned, strict=True)
        if row.group == "trained" and count_samples(now) <= NUM_SAMPLES
    )
    return [
        {
            "what": f"A trained answer is found in {count_samples(now):.0f} samples; tuning made it"
            f" e^{-fall:.0f} times as probable: {_cut(suffix)}",
            "suffix": suffix,
        }
        for fall, suffix, now in risen[:max_shown]
    ]


def _cut(text: str, max_chars: int = 120) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= max_chars else plain[: max_chars - 1] + "…"


PROBE = Extraction()
