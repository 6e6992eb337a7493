"""The base's samples of some held-out prompts, of which a grader would choose the best.

Best-of-n is the simple alternative to reinforcement, so every run of an objective that samples
tells it beside the tuned model (`assay.evaluate.best_of`). No gate reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from assay.config import Recipe
from assay.config.sections.rollouts import RolloutSection
from assay.evaluate.best_of import MOST_COMPLETIONS, MOST_SAMPLES, NUM_ITEMS
from assay.evaluate.items import Item, Score, draw_sample
from assay.pipeline.measure import Examiner

NAME = "best_of"


@dataclass(frozen=True)
class BestOf:
    """Held-out items, and the scores of equally many samples of each by its id."""

    items: list[Item]
    samples: dict[str, list[Score]]


def sample_base(recipe: Recipe, examiner: Examiner, items: Sequence[Item]) -> BestOf | None:
    """As many completions of each of some `items` as the objective samples of a prompt.

    At most `MOST_SAMPLES` of each of `NUM_ITEMS`, and `MOST_COMPLETIONS` in all; sampled as the
    objective samples. None where the objective samples nothing.
    """
    objective = recipe.objective
    if not isinstance(objective, RolloutSection):
        return None
    num = min(objective.group_size, MOST_SAMPLES)
    chosen = draw_sample(items, max_items=min(NUM_ITEMS, MOST_COMPLETIONS // num), seed=recipe.seed)
    sampling = replace(examiner.sampling, temperature=objective.temperature, top_p=objective.top_p)
    copies = [[replace(item, id=f"{item.id}#{number}") for number in range(num)] for item in chosen]
    asked = [copy for own in copies for copy in own]
    scores = replace(examiner, sampling=sampling).measure(asked, name=NAME).scores
    return BestOf(
        chosen,
        {
            item.id: [scores[copy.id] for copy in own]
            for item, own in zip(chosen, copies, strict=True)
        },
    )
