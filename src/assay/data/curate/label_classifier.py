"""The first witness of a flipped label: a classifier of words, asked about each row unseen.

Its word counts only where it knows the labels well, by its own answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from assay.data.curate.alike import read_rows
from assay.data.curate.detector import Evidence
from assay.data.curate.labelled import Doubt, Found, Labelled, Numbers, read_asked
from assay.data.curate.linear import Features, fit_classifier

MAX_FITTED = 3_000
MAX_JUDGED = 50_000
_TEXTS_AT_ONCE = 500
# Of the rows that it confidently gives a label, so many have it: else it knows nothing.
_MIN_AGREEMENT = 0.75
_MIN_RECALL = 0.5
# Cohen's kappa of its answers and the labels: substantial agreement (Landis and Koch 1977).
_MIN_KAPPA = 0.6
_SEED = 20


def ask_classifier(
    evidence: Evidence, labelled: Labelled, *, margin: float, certain: float
) -> Found:
    """Rows that get another label from all others, by a margin and where that label is known.

    From a lead of `certain` on a row may be relabelled. Where the classifier agrees with the labels
    hardly better than by chance they depend on more than on which words there are, and it says
    nothing. Of very many rows it is fitted to `MAX_FITTED` and judges `MAX_JUDGED`, drawn by a
    fixed seed.
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
    return _judge(places, scores, labelled, margin=margin, certain=certain)


def _read_texts(evidence: Evidence, numbers: Numbers) -> Iterator[str]:
    return (read_asked(row) for rows in read_rows(evidence, numbers) for row in rows)


def _chunk(texts: Iterable[str]) -> Iterator[list[str]]:
    wanted = iter(texts)
    while chunk := list(islice(wanted, _TEXTS_AT_ONCE)):
        yield chunk


def _judge(
    judged: Numbers, scores: Any, labelled: Labelled, *, margin: float, certain: float
) -> Found:
    own = labelled.classes[judged]
    lines = np.arange(len(own))
    best = scores.argmax(axis=1)
    is_right = best == own
    lead = scores.max(axis=1) - scores[lines, own]
    is_sure = is_right | (lead >= margin)
    if measure_kappa(own, best) < _MIN_KAPPA:
        return {}
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


def measure_kappa(labels: Any, answers: Any) -> float:
    """Cohen's kappa (1960, equation 1): agreement beyond chance, 1 at most, 0 by chance alone.

    Args:
        labels, answers: int64 (rows,), classes from 0.
    """
    agreed = float(np.mean(labels == answers))
    size = int(max(labels.max(), answers.max())) + 1
    shares = [np.bincount(own, minlength=size) / len(own) for own in (labels, answers)]
    by_chance = float(shares[0] @ shares[1])
    return (agreed - by_chance) / (1 - by_chance) if by_chance < 1 else 1.0
