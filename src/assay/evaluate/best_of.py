"""Best-of-n beside reinforcement: what a grader that chooses among samples of the base would give.

It costs n samples for every answer and no training. Reinforcement that does not come near it has
not yet taught what the base could already be asked for; and where it is out of reach as well, no
sample was there to learn from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from assay.evaluate.compare import Resampling, Scores, summarise_scores
from assay.evaluate.items import Item, Score

NUM_ITEMS, MOST_SAMPLES, MOST_COMPLETIONS = 50, 16, 512
"""Of how many items so many samples are told, and how many completions that may be in all."""


def summarise_best_of(
    items: Sequence[Item],
    samples: Mapping[str, Sequence[Score]],
    answered: Mapping[str, Scores],
    resampling: Resampling,
) -> dict[str, Any]:
    """``{"n", "sampled", "best", "base", "tuned"}``: n samples of each item, and means of them.

    Args:
        items: what was asked.
        samples: the base's n samples of each item, by id.
        answered: the scores of models that were asked once, by name and id; of these items alone
            they are told.

    `best` is the mean over items of their best sample, `sampled` that of their samples' mean. Each
    has the fields of `summarise_scores`. An item of which no sample was scored has none.
    """
    groups = {item.id: item.group or item.id for item in items}
    best = {key: _join(own, max) for key, own in samples.items()}
    sampled = {key: _join(own, fmean) for key, own in samples.items()}
    models = {
        name: {item.id: scores[item.id] for item in items} for name, scores in answered.items()
    }
    told = {"sampled": sampled, "best": best, **models}
    counts = {len(own) for own in samples.values()}
    return {"n": max(counts, default=0)} | {
        name: summarise_scores(scores, statistic="value", resampling=resampling, groups=groups)
        for name, scores in told.items()
    }


def _join(scores: Sequence[Score], how: Callable[[list[float]], float]) -> Score:
    values = [one.value for one in scores if one.value is not None]
    return Score(scores[0].metric, how(values) if values else None)
