"""Whether answers depend on whom a row is about: groups counted, labels by group, and rows that
are the same but for the group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import erfc, exp, lgamma, log, sqrt
from typing import Any

import numpy as np

from assay.data.curate.answer_sketches import digest_text, is_answered
from assay.data.curate.answers import read_label
from assay.data.curate.batch import Batch
from assay.data.curate.detector import Detector, Evidence, Sketch
from assay.data.curate.finding import Hit, Insight, Rule
from assay.data.curate.groups import GROUPS, MENTION, find_mentions, hide_groups
from assay.data.curate.labelled import read_asked
from assay.data.curate.settings import Settings

GROUP_LABELS = Rule(
    "group_labels",
    "fairness",
    "warning",
    "keep",
    "Rows about one group have a label far more often than rows about the others of its kind: a "
    "model may learn the group for the label.",
    options={"level": 0.01, "min_difference": 0.15},
)
COUNTERFACTUAL_LABELS = Rule(
    "counterfactual_labels",
    "fairness",
    "warning",
    "keep",
    "Two rows that are the same but for the group they are about, with different labels.",
)
_PAIRS = [(kind, group) for kind, groups in GROUPS.items() for group in groups]
_PLACES = {pair: place for place, pair in enumerate(_PAIRS)}
_MIN_LABEL_ROWS = 5
_MIN_GROUP_ROWS = 10
_MIN_EXPECTED = 5

Arrays = Mapping[str, Any]


def sketch_groups(batch: Batch, settings: Settings) -> Sketch:
    """Of training rows whose questions mention a group: number, groups as bits, and digests.

    `label` is that of a short answer, or 0; `hidden` that of its question with its groups hidden.
    """
    named = {text.row.number for text in batch.matching(MENTION) if text.role == "user"}
    rows = [
        row
        for row in batch.rows
        if row.number in named and row.part == "train" and is_answered(row.record)
    ]
    asked = [read_asked(row) for row in rows]
    labels = [read_label(row.record.messages[-1]) for row in rows]
    bits = [sum(1 << _PLACES[pair] for pair in find_mentions(text)) for text in asked]
    return {
        "number": np.array([row.number for row in rows], np.int64),
        "groups": np.array(bits, np.uint64),
        "hidden": np.array(
            [
                digest_text(hide_groups(text)) if label else 0
                for text, label in zip(asked, labels, strict=True)
            ],
            np.uint64,
        ),
        "label": np.array([digest_text(one) if one else 0 for one in labels], np.uint64),
    }


def weigh_groups(evidence: Evidence, settings: Settings) -> Iterator[Hit | Insight]:
    """Counts of groups, then hits of both rules on rows that have a label of a closed set."""
    sketches = list(evidence.sketches())
    if not sketches:
        return
    kept = {name: np.concatenate([one[name] for one in sketches]) for name in sketches[0]}
    counts = {pair: int(has_group(kept["groups"], place).sum()) for pair, place in _PLACES.items()}
    mentioned: dict[str, dict[str, int]] = defaultdict(dict)
    for (kind, group), count in counts.items():
        if count:
            mentioned[kind][group] = count
    yield Insight("groups", dict(mentioned))
    values, numbers = np.unique(kept["label"], return_counts=True)
    closed = values[(numbers >= _MIN_LABEL_ROWS) & (values != 0)]
    is_labelled = np.isin(kept["label"], closed)
    labelled = {name: one[is_labelled] for name, one in kept.items()}
    if settings.is_on(GROUP_LABELS.name):
        yield from _compare_groups(labelled, evidence, settings)
    if settings.is_on(COUNTERFACTUAL_LABELS.name):
        yield from _compare_twins(labelled, evidence)


def has_group(groups: Any, place: int) -> Any:
    """Which rows mention the group whose bit this is."""
    return (groups >> np.uint64(place)) & np.uint64(1) == 1


def _compare_groups(kept: Arrays, evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """The tests of all groups and labels together keep `level` (Holm 1979)."""
    tests = []
    for (kind, group), place in _PLACES.items():
        own = has_group(kept["groups"], place)
        others = ~own & np.any(
            [has_group(kept["groups"], _PLACES[kind, one]) for one in GROUPS[kind]], axis=0
        )
        if min(own.sum(), others.sum()) < _MIN_GROUP_ROWS:
            continue
        for label in np.unique(kept["label"][own | others]).tolist():
            has_label = kept["label"] == label
            table = [(has_label & own).sum(), own.sum(), (has_label & others).sum(), others.sum()]
            p_value = compute_p_value(*(int(one) for one in table))
            tests.append((p_value, kind, group, label, [int(one) for one in table]))
    tests.sort(key=lambda test: test[0])
    least = settings.option(GROUP_LABELS.name, "min_difference")
    for rank, (p_value, kind, group, label, table) in enumerate(tests):
        if p_value * (len(tests) - rank) > settings.option(GROUP_LABELS.name, "level"):
            return
        share, rest = table[0] / table[1], table[2] / table[3]
        if share - rest < least:
            continue
        rows = kept["number"][
            (kept["label"] == label) & has_group(kept["groups"], _PLACES[kind, group])
        ]
        first = int(rows[0])
        name = read_label(evidence.rows([first])[first].record.messages[-1])
        told = (
            f"{name!r} in {table[0]} of {table[1]} rows about {group}, in {table[2]} of {table[3]}"
        )
        yield Hit(
            first,
            GROUP_LABELS.name,
            f"{told} about other {kind} groups (p {p_value:.1g})",
            related=tuple(int(one) for one in rows[1:6]),
            cluster=f"{group} {name}",
        )


def compute_p_value(hits: int, size: int, other_hits: int, other_size: int) -> float:
    """Two-sided, that two shares are the same: chi-square with Yates's correction.

    Where an expected count is below 5 (Cochran 1954), Fisher's exact test.
    """
    total, all_hits = size + other_size, hits + other_hits
    expected = [
        row * column / total
        for row in (size, other_size)
        for column in (all_hits, total - all_hits)
    ]
    if min(expected) < _MIN_EXPECTED:
        return _fisher(hits, size, all_hits, total)
    gap = max(abs(hits - expected[0]) - 0.5, 0.0)
    statistic = sum(gap**2 / one for one in expected)
    return erfc(sqrt(statistic / 2))  # the tail of chi-square with one degree of freedom


def _fisher(hits: int, size: int, all_hits: int, total: int) -> float:
    """The sum of all tables that are no likelier than the one that is there."""

    def log_choose(n: int, k: int) -> float:
        return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)

    def log_chance(count: int) -> float:
        rest = log_choose(total - size, all_hits - count) - log_choose(total, all_hits)
        return log_choose(size, count) + rest

    counts = range(max(0, all_hits - (total - size)), min(size, all_hits) + 1)
    limit = log_chance(hits) + log(1 + 1e-7)
    return min(1.0, sum(exp(one) for count in counts if (one := log_chance(count)) <= limit))


def _compare_twins(kept: Arrays, evidence: Evidence) -> Iterator[Hit]:
    """Each row of a group of twins that differ in group and in label."""
    order = np.argsort(kept["hidden"], kind="stable")
    bounds = np.flatnonzero(np.diff(kept["hidden"][order])) + 1
    for places in np.split(order, bounds):
        groups, labels = kept["groups"][places], kept["label"][places]
        if len(np.unique(groups)) < 2 or len(np.unique(labels)) < 2:
            continue
        by_group = {
            group: {int(one) for one in labels[groups == group]} for group in np.unique(groups)
        }
        # The same label for each group somewhere: the twins contradict themselves, not each other.
        if any(len(own) > 1 for own in by_group.values()):
            continue
        yield from _tell_twins(sorted(int(kept["number"][one]) for one in places), evidence)


def _tell_twins(numbers: Sequence[int], evidence: Evidence) -> Iterator[Hit]:
    rows = evidence.rows(numbers[:20])
    labels = {number: read_label(row.record.messages[-1]) for number, row in rows.items()}
    for number, row in rows.items():
        other = next(one for one in rows if labels[one] != labels[number])
        own, others = (
            ", ".join(sorted({group for _, group in find_mentions(read_asked(one))}))
            for one in (row, rows[other])
        )
        yield Hit(
            number,
            COUNTERFACTUAL_LABELS.name,
            f"about {own} it is {labels[number]!r}; the same about {others} at "
            f"{evidence.place(other)} is {labels[other]!r}",
            related=(other,),
            cluster=f"twins {evidence.place(numbers[0])}",
        )


DETECTORS = (
    Detector(
        "fairness",
        (GROUP_LABELS, COUNTERFACTUAL_LABELS),
        sketch=sketch_groups,
        conclude=weigh_groups,
    ),
)
