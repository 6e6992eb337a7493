"""Scores rated answers by whether wanted ones are likelier than unwanted ones; it runs no model.

Each answer is compared with all of the other rating, so that the mean over either kind is the area
under the ROC curve. The shares are the placement values of DeLong et al. 1988.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from assay.evaluate.items import Item, Score, unscored

RANKED = "ranked"
"""An item of it has one choice, the answer, which is gold where it is wanted."""


def score_ranking(items: Sequence[Item], logprobs: Mapping[str, float]) -> dict[str, Score]:
    """Scores by item id, from Σ log p of each item's answer by item id.

    Answers are compared by log-probability per byte. A score is the share of answers of the other
    rating that the item's is on the right side of; one that is equal counts half.
    """
    own = [item for item in items if item.metric == RANKED and item.id in logprobs]
    means = {one.id: logprobs[one.id] / max(1, len(one.choices[0].encode())) for one in own}
    sides = {
        wanted: sorted(means[one.id] for one in own if bool(one.golds) == wanted)
        for wanted in (True, False)
    }
    return {one.id: _score(one, means[one.id], sides[not one.golds]) for one in own}


def _score(item: Item, mean: float, others: Sequence[float]) -> Score:
    if not others:
        return unscored(RANKED, "no answer of the other rating to compare with")
    below, not_above = bisect_left(others, mean), bisect_right(others, mean)
    share = (below + 0.5 * (not_above - below)) / len(others)
    value = share if item.golds else 1 - share
    detail = {"logprob_per_byte": mean, "num_compared": len(others)}
    return Score(RANKED, value, value > 0.5, detail)
