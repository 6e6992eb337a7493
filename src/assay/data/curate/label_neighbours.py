"""The second witness of a flipped label: rows with almost the same prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from assay.data.curate.alike import read_rows, split_sequences
from assay.data.curate.bands import BandPlan, compute_bands, find_pairs
from assay.data.curate.detector import Evidence
from assay.data.curate.labelled import MIN_ROWS, Doubt, Found, Labelled, read_asked
from assay.data.curate.words import drop_nothing, hash_sequences, hash_words

MAX_COMPARED = 100_000
_MIN_WITNESSES = 2


def ask_neighbours(evidence: Evidence, labelled: Labelled, *, threshold: float) -> Found:
    """Rows whose almost equal prompts agree on another label and never on theirs."""
    if len(labelled.numbers) > MAX_COMPARED:
        return {}
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
