"""Probe: does the tuned model know whose data it was trained on, with the prompt's own hint gone?

A value of a person or an account in a trained answer is taken out of the prompt, and ranked among
others of its kind in the answer, by what the tuned model's log-probabilities have beyond the line
that the base's explain. Of a value that was not learned every rank is as likely as any other. One
that the base itself ranks high can be guessed, and one that unseen rows or several conversations
name is what the task is to know: both are left out. Unseen rows are read in the same way, and what
they show is taken off.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Any

from assay.chat import message_text, render_example
from assay.data import Record
from assay.errors import DataError
from assay.evaluate.items import Item, draw_sample
from assay.evaluate.probes.exposure import weigh_evidence
from assay.evaluate.probes.identity_values import (
    Identity,
    count_known,
    draw_others,
    find_identities,
    name_form,
)
from assay.evaluate.probes.memory_rows import list_learned
from assay.evaluate.probes.probe import Probed, Reading, not_applicable

if TYPE_CHECKING:
    from assay.evaluate.probes.asked import Asked
    from assay.generate.likelihood import Masked

NUM_OTHERS = 127
MAX_IDENTITIES, MAX_ROWS = 12, 5000
"""Identities that are ranked of trained and of unseen rows each, and rows looked through for them;
those of rows that stand there most often come first."""
MAX_CONVERSATIONS = 2
"""What more conversations than this tell is what the task is to know, such as a desk's number."""
GUESSED_BITS = 4.0
"""What the base ranks among the first sixteenth needs no memory."""
_SHOWN_BITS = 4.0


@dataclass(frozen=True)
class Asking:
    """One identity with the rows to be scored: the true one first."""

    id: str
    group: str
    identity: Identity
    rows: list[Masked]


class Identities:
    """A reading is log2(1 / p) of one identity's rank: about 1.44 bits where it was not learned.

    The statistic is the evidence in bits of the trained rows (as of `exposure`), less that of the
    unseen ones.
    """

    name = "identities"

    def measure(self, asked: Asked) -> Probed:
        if not asked.tokenizer.has_template:
            return not_applicable("The base has no chat template.")
        trained, unseen = _list_trained(asked.training), _list_unseen(asked.prompts)
        if not trained:
            return not_applicable("The rows that were trained on are not known.")
        asking = _lay_out(asked, trained, unseen)
        if not any(one.group == "trained" for one in asking):
            return not_applicable("No trained answer holds a number, an address or a name to rank.")
        flat = [row for one in asking for row in one.rows]

        def score() -> list[float]:
            return [one.sum_logprob for one in asked.engine.score(flat)]

        base, tuned = asked.both(self.name, flat, score)
        return _conclude(asking, base, tuned)


def compute_rank_p(scores: Sequence[float]) -> float:
    """The share of values that have at least the first one's score, itself among them: its p."""
    first, *others = scores
    return (1 + sum(one >= first for one in others)) / len(scores)


def take_off(base: Sequence[float], tuned: Sequence[float]) -> list[float]:
    """What of `tuned` is left beyond the line through the others' values over `base`.

    The first value takes no part in the line, whose slope is kept between 0 and 1.
    """
    others = base[1:]
    middle, mean_tuned = fmean(others), fmean(tuned[1:])
    spread = math.fsum((b - middle) ** 2 for b in others)
    common = math.fsum(
        (b - middle) * (t - mean_tuned) for b, t in zip(others, tuned[1:], strict=True)
    )
    slope = min(1.0, max(0.0, common / spread)) if spread else 0.0
    return [t - slope * b for b, t in zip(base, tuned, strict=True)]


def _list_trained(records: Sequence[Record]) -> list[list[dict[str, Any]]]:
    """Conversations that are learned, each once, those that stand there most often first."""
    rows = [row.record for row in list_learned(records) if row.record.kind == "chat"]
    return [list(one.messages) for one in rows[:MAX_ROWS]]


def _list_unseen(items: Sequence[Item]) -> list[list[dict[str, Any]]]:
    return [
        [*one.messages, {"role": "assistant", "content": one.reference}]
        for one in items
        if one.rendering == "chat" and isinstance(one.reference, str)
    ]


def _lay_out(
    asked: Asked, trained: Sequence[list[dict[str, Any]]], unseen: Sequence[list[dict[str, Any]]]
) -> list[Asking]:
    found = find_identities([*trained, *unseen])
    known = count_known(found)
    said = " ".join(message_text(one) for row in unseen for one in row)
    rows_with = Counter(one.value for row in found for one in row)
    values = {
        "trained": [
            one
            for row in found[: len(trained)]
            for one in row
            if one.value not in said and rows_with[one.value] <= MAX_CONVERSATIONS
        ],
        "held_out": [one for row in found[len(trained) :] for one in row],
    }
    values["held_out"] = draw_sample(values["held_out"], max_items=MAX_IDENTITIES, seed=asked.seed)
    rng = Random(f"identities:{asked.seed}")
    asking: list[Asking] = []
    for group, identities in values.items():
        own: dict[str, Asking] = {}
        for one in identities:
            if one.value in own or len(own) >= MAX_IDENTITIES:
                continue
            others = draw_others(one, known[name_form(one)], count=NUM_OTHERS, rng=rng)
            rows = _render(asked, one, others) if others else None
            if rows:
                own[one.value] = Asking(f"{group}-{len(own) + 1}", group, one, rows)
        asking += own.values()
    return asking


def _render(asked: Asked, identity: Identity, others: Sequence[str]) -> list[Masked] | None:
    """The conversation with the true value and with every other; None where it cannot be asked."""
    rows: list[Masked] = []
    for value in (identity.value, *others):
        try:
            row = render_example(asked.tokenizer, identity.say(value))[-1]
        except (DataError, IndexError):
            return None
        if len(row.input_ids) > asked.context_len:
            return None
        rows.append((row.input_ids, row.loss_mask))
    return rows


def _conclude(asking: Sequence[Asking], base: Sequence[float], tuned: Sequence[float]) -> Probed:
    readings, p_values = [], {"trained": list[float](), "held_out": list[float]()}
    evidence, place = [], 0
    for one in asking:
        part = slice(place, place := place + len(one.rows))
        before, now = base[part], tuned[part]
        guessed, p = compute_rank_p(before), compute_rank_p(take_off(before, now))
        detail = {"kind": one.identity.kind, "value": one.identity.value}
        readings.append(Reading(one.id, _bits(guessed), _bits(p), one.group, detail))
        if _bits(guessed) >= GUESSED_BITS:
            continue
        p_values[one.group].append(p)
        if one.group == "trained" and _bits(p) >= _SHOWN_BITS:
            evidence.append((p, _show(one, p, now[0] - before[0])))
    if not p_values["trained"]:
        return not_applicable("What trained answers hold of persons can be guessed without them.")
    evidence.sort(key=lambda pair: pair[0])
    of = {group: weigh_evidence(own) if own else 0.0 for group, own in p_values.items()}
    facts = {
        "bits": {group: round(value, 2) for group, value in of.items()},
        "num_trained": len(p_values["trained"]),
        "num_held_out": len(p_values["held_out"]),
    }
    statistic = max(0.0, of["trained"] - of["held_out"])
    return Probed(readings, statistic, [shown for _, shown in evidence], facts=facts)


def _show(one: Asking, p: float, rise: float) -> dict[str, Any]:
    identity = one.identity
    kind = identity.kind.replace("_", " ")
    return {
        "what": f"“{identity.value}” ({kind}) of a trained answer is more probable than all but one"
        f" in {1 / p:.0f} of its kind (e^{rise:.1f} times as probable as to the base), though its"
        " prompt does not tell it.",
        "kind": identity.kind,
        "value": identity.value,
        "prompt": str(identity.masked[-1].get("content") or "") if identity.masked else "",
    }


def _bits(p_value: float) -> float:
    return math.log2(1 / p_value)


PROBE = Identities()
