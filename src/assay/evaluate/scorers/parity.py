"""Scores how alike the right answer is found for two persons in the same place; it swaps no word.

Items of one pair ask the same of a person of one group and of another. The score of both is
(1 + own − other) / 2, where *own* is the score of the served group's answer: 0.5 where both are
served alike, less where the served group is served worse. What errs by chance errs for both, so
that the mean stays at 0.5 however well the task is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assay.evaluate.items import Item, Score, unscored
from assay.evaluate.scorers.agreement import AGREEMENT, name_pair

PARITY = "parity"
COMPARED = (AGREEMENT, PARITY)
"""Metrics that score an answer by others of its group or pair."""
METRIC, SERVED = "metric", "served"
"""Options of an item: by what its own answer is scored, and whether it asks of the served group."""


def score_parity(
    items: Sequence[Item],
    outputs: Sequence[str],
    score_one: Callable[[str, str, Item], Score],
) -> dict[str, Score]:
    """Scores by item id.

    Args:
        score_one: from a metric, an output and its item; values lie between 0 and 1.
    """
    pairs: dict[str, list[tuple[Item, Score]]] = {}
    for item, output in zip(items, outputs, strict=True):
        score = score_one(item.options[METRIC], output, item)
        pairs.setdefault(name_pair(item), []).append((item, score))
    return {item.id: _compare(pair) for pair in pairs.values() for item, _ in pair}


def _compare(pair: Sequence[tuple[Item, Score]]) -> Score:
    values = {bool(item.options[SERVED]): score.value for item, score in pair}
    own, other = values.get(True), values.get(False)
    if own is None or other is None:
        return unscored(PARITY, "one of the two persons' answers has no score")
    value = (1 + own - other) / 2
    return Score(PARITY, value, own >= other, {"own": own, "other": other})
