"""Labels that the rest of the data contradicts: most likely flipped; it proposes the rest's label.

Two witnesses: rows with almost the same prompt, and a classifier of all labelled prompts that is
asked about each row without having seen it. The classifier's word counts only for labels that it
knows well, by its own held-out answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any, NamedTuple

import numpy as np

from assay.data.curate.alike import read_rows, split_sequences
from assay.data.curate.bands import BandPlan, compute_bands, find_pairs
from assay.data.curate.batch import CheckedRow
from assay.data.curate.detector import Evidence
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.linear import Features, fit_classifier
from assay.data.curate.settings import Settings
from assay.data.curate.words import drop_nothing, hash_sequences, hash_words

CONTRADICTING_LABELS = Rule(
    "contradicting_labels",
    "duplicates",
    "warning",
    "relabel",
    "A label of a closed set that rows with almost the same prompt, or all other rows by a "
    "classifier of words, contradict: most likely a label flip.",
    options={"margin": 0.3, "relabel_margin": 0.6, "threshold": 0.6},
)
MIN_ROWS = 40
MAX_LABELS = 100
MAX_FITTED = 3_000
MAX_JUDGED = 50_000
MAX_COMPARED = 100_000
_TEXTS_AT_ONCE = 500
# Of the rows that the classifier confidently gives a label, so many have it: else it knows nothing.
_MIN_AGREEMENT = 0.75
_MIN_RECALL = 0.5
_MIN_WITNESSES = 2
_SEED = 20

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Labelled:
    """Rows whose answer is a label, in order.

    `classes` counts labels from 0; `answers` is each label as most rows write it.
    """

    numbers: Numbers
    classes: Numbers
    answers: Sequence[str]


def find_flips(evidence: Evidence, settings: Settings, labelled: Labelled) -> Iterator[Hit]:
    """Hits of rows whose label one of the two witnesses contradicts, in the order of the rows."""
    is_named = settings[CONTRADICTING_LABELS.name].is_applied
    found = {**_ask_classifier(evidence, settings, labelled)}
    found |= _ask_neighbours(evidence, settings, labelled)
    for place in sorted(found):
        doubt, own = found[place], labelled.answers[int(labelled.classes[place])]
        other = labelled.answers[doubt.label]
        yield Hit(
            int(labelled.numbers[place]),
            CONTRADICTING_LABELS.name,
            f"labelled {own!r}, but {doubt.why} {other!r}",
            related=doubt.related,
            cluster=f"label {own} for {other}",
            label=other,
            action=None if doubt.is_certain or is_named else "keep",
        )


def gather_labelled(
    evidence: Evidence, numbers: Numbers, digests: Any, closed: Any
) -> Labelled | None:
    """The rows of the most frequent labels, or None where there is no closed set to speak of.

    Args:
        digests: uint64 (rows,), of each row's short answer, 0 for none.
        closed: uint64, digests of the labels that recur, in order.
    """
    counts = np.array([np.count_nonzero(digests == one) for one in closed], np.int64)
    kept = np.sort(closed[np.argsort(-counts, kind="stable")[:MAX_LABELS]])
    chosen = np.flatnonzero(np.isin(digests, kept))
    if len(kept) < 2 or len(chosen) < MIN_ROWS:
        return None
    order = chosen[np.argsort(numbers[chosen], kind="stable")]
    classes = np.searchsorted(kept, digests[order]).astype(np.int64)
    firsts = numbers[order][np.unique(classes, return_index=True)[1]].tolist()
    rows = evidence.rows(firsts)
    answers = [str(rows[one].record.messages[-1]["content"]) for one in firsts]
    return Labelled(numbers[order], classes, answers)


def read_asked(row: CheckedRow) -> str:
    """What was asked, without system prompts and earlier answers."""
    messages = row.record.messages[:-1]
    return "\n".join(str(one.get("content") or "") for one in messages if one["role"] == "user")


class Doubt(NamedTuple):
    """The label that is contradicted by another, why, and the rows that tell it.

    What is not certain enough to relabel is for a person to decide.
    """

    label: int
    why: str
    is_certain: bool = True
    related: tuple[int, ...] = ()


Found = Mapping[int, Doubt]
"""By place among the labelled rows."""


def _ask_classifier(evidence: Evidence, settings: Settings, labelled: Labelled) -> Found:
    """Rows that get another label from all others, by a margin and where that label is known.

    Of very many rows it is fitted to `MAX_FITTED` and judges `MAX_JUDGED`, drawn by a fixed seed.
    """
    order = np.random.default_rng(_SEED).permutation(len(labelled.numbers))
    fitted, rest = np.sort(order[:MAX_FITTED]), np.sort(order[MAX_FITTED:MAX_JUDGED])
    texts = list(_read_texts(evidence, labelled.numbers[fitted]))
    features = Features.learn(texts)
    num_classes = len(labelled.answers)
    matrix = np.concatenate([features.compute(own) for own in _chunk(texts)])
    classifier, left_out = fit_classifier(matrix, labelled.classes[fitted], num_classes)
    others = _chunk(_read_texts(evidence, labelled.numbers[rest]))
    scored = [classifier.score(features.compute(own)) for own in others]
    places = np.concatenate([fitted, rest])
    scores = np.concatenate([left_out, *scored])
    margins = [
        settings.option(CONTRADICTING_LABELS.name, f"{one}margin") for one in ("", "relabel_")
    ]
    return _judge(places, scores, labelled, *margins)


def _read_texts(evidence: Evidence, numbers: Numbers) -> Iterator[str]:
    return (read_asked(row) for rows in read_rows(evidence, numbers) for row in rows)


def _chunk(texts: Iterable[str]) -> Iterator[list[str]]:
    wanted = iter(texts)
    while chunk := list(islice(wanted, _TEXTS_AT_ONCE)):
        yield chunk


def _judge(
    judged: Numbers, scores: Any, labelled: Labelled, margin: float, certain: float
) -> Found:
    own = labelled.classes[judged]
    lines = np.arange(len(own))
    best = scores.argmax(axis=1)
    is_right = best == own
    lead = scores.max(axis=1) - scores[lines, own]
    is_sure = is_right | (lead >= margin)
    recall = [is_right[own == one].mean() if (own == one).any() else 0.0 for one in
              range(len(labelled.answers))]  # fmt: skip
    found: dict[int, Doubt] = {}
    for other in range(len(labelled.answers)):
        alike = (best == other) & is_sure
        if not alike.any() or is_right[alike].mean() < _MIN_AGREEMENT:
            continue
        told = (
            f"of {alike.sum()} rows whose words are like its own, {is_right[alike].mean():.0%} have"
        )
        for line in np.flatnonzero(alike & ~is_right).tolist():
            if recall[own[line]] >= _MIN_RECALL:
                found[int(judged[line])] = Doubt(other, told, bool(lead[line] >= certain))
    return found


def _ask_neighbours(evidence: Evidence, settings: Settings, labelled: Labelled) -> Found:
    """Rows whose almost equal prompts agree on another label and never on theirs."""
    if len(labelled.numbers) > MAX_COMPARED:
        return {}
    threshold = settings.option(CONTRADICTING_LABELS.name, "threshold")
    sets: list[Any] = []
    for rows in read_rows(evidence, labelled.numbers):
        sets += list_terms([read_asked(row) for row in rows])
    starts = np.append(0, np.cumsum([len(one) for one in sets])).astype(np.int64)
    filled = np.flatnonzero(np.diff(starts))
    if len(filled) < 2:
        return {}
    bands = compute_bands(np.concatenate(sets), starts, BandPlan(threshold))[filled]
    pairs, _ = find_pairs(bands, max_bucket=MIN_ROWS)
    votes: dict[int, Counter[int]] = {}
    nearby: dict[int, list[int]] = {}
    for first, second in filled[pairs].tolist():
        if _measure(sets[first], sets[second]) < threshold:
            continue
        for one, other in ((first, second), (second, first)):
            votes.setdefault(one, Counter())[int(labelled.classes[other])] += 1
            nearby.setdefault(one, []).append(other)
    found: dict[int, Doubt] = {}
    for place, counts in votes.items():
        (label, count), own = counts.most_common(1)[0], int(labelled.classes[place])
        if label != own and not counts[own] and count >= max(_MIN_WITNESSES, 0.8 * counts.total()):
            related = tuple(int(labelled.numbers[one]) for one in nearby[place][:5])
            told = f"{count} rows with almost the same prompt have"
            found[place] = Doubt(label, told, related=related)
    return found


def list_terms(texts: Sequence[str]) -> list[Any]:
    """For each text the set of its words and pairs of words."""
    words = hash_words(texts)
    pairs, bounds = drop_nothing(
        hash_sequences(words.hashes, words.text_starts, 2), words.text_starts
    )
    singles = split_sequences(words.hashes, words.text_starts)
    doubles = [np.unique(pairs[a:b]) for a, b in pairwise(bounds)]
    return [np.concatenate(both) for both in zip(singles, doubles, strict=True)]


def _measure(one: Any, other: Any) -> float:
    shared = len(np.intersect1d(one, other))
    return shared / max(1, len(one) + len(other) - shared)
