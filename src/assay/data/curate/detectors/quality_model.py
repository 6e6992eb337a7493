"""What the base makes of rows: too easy, too hard, most likely mislabelled; and where to look next.

The base scores each sampled row twice: as it is, and tuned on the other rows (cross-validation).
What tuning on the others does not teach, and even the untuned base finds odd, is hard or wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from assay.data.curate.answers import read_label
from assay.data.curate.asked_rows import draw_rows, sketch_numbers
from assay.data.curate.batch import CheckedRow
from assay.data.curate.detector import Detector, Evidence, Given
from assay.data.curate.finding import Hit, Insight, Rule
from assay.data.curate.settings import Settings
from assay.data.records import Record

TOO_EASY = Rule(
    "too_easy",
    "quality",
    "info",
    "keep",
    "The base gives this answer already: the row teaches nothing new.",
    options={"max_loss": 0.05},
    needs=("score",),
)
TOO_HARD = Rule(
    "too_hard",
    "quality",
    "info",
    "keep",
    "An answer that stays unlikely however many of the other rows the base learns.",
    options={"deviations": 4.0},
    needs=("score", "fit"),
)
LIKELY_MISLABELLED = Rule(
    "likely_mislabelled",
    "quality",
    "warning",
    "keep",
    "A base that learned the other rows finds another label of the closed set likelier by a "
    "margin, or this answer less likely than before it learned.",
    options={"margin": 0.3, "rows": 300, "folds": 3, "passes": 4},
    needs=("score", "fit"),
)
_MIN_ROWS = 40
_NUM_NEXT = 10
_MAX_LABELS = 8
_MIN_LABEL_ROWS = 5
_MIN_AGREEMENT = 0.75
_SEED = 20

Losses = np.ndarray[tuple[int], np.dtype[np.float64]]


def is_ready(given: Given, settings: Settings) -> str | None:
    """Why the base cannot be asked, or None."""
    if given.score is None or given.fit is None:
        return "needs a base's weights (--base NAME --deep)"
    return None


@dataclass(frozen=True)
class Scored:
    """Mean losses in nats a trained token of rows of which both are known.

    Attributes:
        base, tuned: float64 (rows,).
        others: for each row the loss of each other label in its answer's place, by its text.
    """

    rows: Sequence[CheckedRow]
    base: Losses
    tuned: Losses
    others: Sequence[Mapping[str, float]]

    @property
    def deviations(self) -> Losses:
        """How many standard deviations the tuned loss lies above the median, by the median gap.

        1.4826 makes the median absolute deviation that of a normal distribution.
        """
        gaps = self.tuned - np.median(self.tuned)
        spread: Losses = gaps / max(1.4826 * float(np.median(np.abs(gaps))), 1e-6)
        return spread


def ask_base(evidence: Evidence, settings: Settings) -> Iterator[Hit | Insight]:
    """Hits on a sample of the training rows, and the losses that they come from."""
    rows, total = draw_rows(evidence, settings.option(LIKELY_MISLABELLED.name, "rows"))
    rows = [row for row in rows if row.record.messages[-1]["role"] == "assistant"]
    if len(rows) < _MIN_ROWS:
        return
    scored = _score(evidence.given, rows, settings)
    if not len(scored.rows):
        return
    yield from _tell_rows(scored, settings)
    yield Insight("losses", _summarise(scored, total))
    yield Insight("label_next", _choose_next(scored, evidence))


def _score(given: Given, rows: Sequence[CheckedRow], settings: Settings) -> Scored:
    assert given.score is not None
    records = [row.record for row in rows]
    base = np.asarray(given.score(records), np.float64)
    labels = _find_labels(records)
    asked = [_put_labels(record, labels) for record in records]
    losses = cross_validate(
        given,
        records,
        [[record, *others.values()] for record, others in zip(records, asked, strict=True)],
        num_folds=settings.option(LIKELY_MISLABELLED.name, "folds"),
        num_passes=settings.option(LIKELY_MISLABELLED.name, "passes"),
    )
    tuned = np.array([own[0] for own in losses])
    others = [
        dict(zip(own, found[1:].tolist(), strict=True))
        for own, found in zip(asked, losses, strict=True)
    ]
    known = np.flatnonzero(np.isfinite(base) & np.isfinite(tuned)).tolist()
    return Scored(
        [rows[one] for one in known], base[known], tuned[known], [others[one] for one in known]
    )


def _find_labels(records: Sequence[Record]) -> dict[str, str]:
    """The most frequent short answers that recur: label to how an answer writes it."""
    counts: Counter[str] = Counter()
    written: dict[str, str] = {}
    for record in records:
        label = read_label(record.messages[-1])
        if label:
            counts[label] += 1
            written.setdefault(label, str(record.messages[-1]["content"]))
    most = counts.most_common(_MAX_LABELS)
    return {label: written[label] for label, count in most if count >= _MIN_LABEL_ROWS}


def _put_labels(record: Record, labels: Mapping[str, str]) -> dict[str, Record]:
    """For a record whose answer is one of the labels, the record with each other one."""
    own = read_label(record.messages[-1])
    if own not in labels:
        return {}
    last = record.messages[-1]
    return {
        text: replace(
            record,
            id="",
            messages=[*record.messages[:-1], {**last, "content": text}],
        )
        for label, text in labels.items()
        if label != own
    }


def cross_validate(
    given: Given,
    records: Sequence[Record],
    asked: Sequence[Sequence[Record]],
    *,
    num_folds: int,
    num_passes: int,
) -> list[Losses]:
    """For each record the losses of what is asked of it, by the base tuned on the other folds.

    Each fold's base goes `num_passes` times through the others, in another order each time, all
    drawn by a fixed seed.
    """
    assert given.fit is not None
    rng = np.random.default_rng(_SEED)
    order = rng.permutation(len(records))
    losses: list[Losses] = [np.empty(0)] * len(records)
    for fold in range(num_folds):
        held_out = order[fold::num_folds]
        others = np.setdiff1d(order, held_out)
        learned = np.concatenate([rng.permutation(others) for _ in range(num_passes)])
        flat = [one for place in held_out for one in asked[place]]
        found = np.asarray(given.fit([records[one] for one in learned], flat), np.float64)
        ends = np.cumsum([len(asked[place]) for place in held_out])
        for place, own in zip(held_out, np.split(found, ends[:-1]), strict=True):
            losses[place] = own
    return losses


def _tell_rows(scored: Scored, settings: Settings) -> Iterator[Hit]:
    easy = settings.option(TOO_EASY.name, "max_loss")
    hard = settings.option(TOO_HARD.name, "deviations")
    margin = settings.option(LIKELY_MISLABELLED.name, "margin")
    trusted = _find_trusted(scored, margin)
    for row, base, tuned, deviation, others in zip(
        scored.rows, scored.base, scored.tuned, scored.deviations, scored.others, strict=True
    ):
        told = f"{base:.2f} nats a token for the base, {tuned:.2f} once it learned the other rows"
        likeliest = _find_likeliest(others)
        if base <= easy:
            yield Hit(row.number, TOO_EASY.name, f"{base:.3f} nats a token for the base")
        elif _fold(likeliest) in trusted and tuned - others[likeliest] >= margin:
            told = f"{told}; {likeliest!r} would have {others[likeliest]:.2f}"
            yield Hit(row.number, LIKELY_MISLABELLED.name, told, label=likeliest)
        elif tuned - base >= margin:
            yield Hit(row.number, LIKELY_MISLABELLED.name, told)
        elif deviation >= hard:
            yield Hit(row.number, TOO_HARD.name, f"{told}, {deviation:.0f} deviations above most")


def _find_likeliest(others: Mapping[str, float]) -> str:
    return min(others, key=lambda label: others[label], default="")


def _fold(answer: str) -> str:
    return read_label({"content": answer}) or ""


def _find_trusted(scored: Scored, margin: float) -> set[str]:
    """Labels that most rows have to which the tuned base gives them: of others it knows too little.

    A row whose own label is the likeliest counts for it, one with another ahead by `margin` for
    that one.
    """
    given: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for row, tuned, others in zip(scored.rows, scored.tuned, scored.others, strict=True):
        likeliest = _find_likeliest(others)
        if not others:
            continue
        if tuned <= others[likeliest]:
            own = _fold(row.record.messages[-1]["content"])
            given[own] += 1
            right[own] += 1
        elif tuned - others[likeliest] >= margin:
            given[_fold(likeliest)] += 1
    return {label for label, count in given.items() if right[label] >= _MIN_AGREEMENT * count}


def _summarise(scored: Scored, total: int) -> dict[str, Any]:
    """Deciles and means of both losses, and what learning the others gains."""

    def describe(values: Losses) -> dict[str, float]:
        low, middle, high = np.quantile(values, [0.1, 0.5, 0.9]).tolist()
        known = {"mean": float(values.mean()), "p10": low, "p50": middle, "p90": high}
        return {name: round(one, 4) for name, one in known.items()}

    return {
        "rows": total,
        "sampled": len(scored.rows),
        "base": describe(scored.base),
        "tuned_on_others": describe(scored.tuned),
        "margin": describe(scored.base - scored.tuned),
    }


def _choose_next(scored: Scored, evidence: Evidence) -> list[dict[str, Any]]:
    """Rows of whose kind more are worth labelling, and which to look at again first.

    Those whose answer the others teach least: uncertainty sampling (Lewis and Gale 1994), by the
    loss that is left.
    """
    order = np.argsort(-scored.tuned, kind="stable")[:_NUM_NEXT]
    return [
        {
            "place": evidence.place(scored.rows[one].number),
            "row": scored.rows[one].number,
            "base": round(float(scored.base[one]), 4),
            "tuned_on_others": round(float(scored.tuned[one]), 4),
        }
        for one in order.tolist()
    ]


DETECTORS = (
    Detector(
        "quality_model",
        (TOO_EASY, TOO_HARD, LIKELY_MISLABELLED),
        sketch=sketch_numbers,
        conclude=ask_base,
        is_ready=is_ready,
    ),
)
