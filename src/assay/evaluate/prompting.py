"""Chooses the prompting baseline (how many shots) on validation items; it never sees test items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.errors import EvaluationError
from assay.evaluate.compare import Scores, Statistic, read_number


@dataclass(frozen=True)
class PromptChoice:
    """The best number of shots, the validation mean of each tried, and the items it was chosen on.

    `num_items` validation items were scored for each; ties go to fewer shots, the cheaper prompt.
    """

    shots: int
    means: dict[int, float]
    num_items: int
    item_ids: frozenset[str]

    def to_dict(self) -> dict[str, Any]:
        """For evaluation.json; shots are text keys there, and the ids are left out."""
        means = {str(shots): mean for shots, mean in self.means.items()}
        return {
            "shots": self.shots,
            "chosen_on": "validation" if self.num_items else None,
            "validation": {"n": self.num_items, "means": means},
        }


def choose_prompting(
    validation: Mapping[int, Scores], *, statistic: Statistic = "value"
) -> PromptChoice:
    """The number of shots with the highest mean over the validation items.

    `validation` holds, by number of shots, the base's scores of the same items; an unscored item
    counts 0, since a prompt must not win by what it could not be judged on. Raises EvaluationError
    when nothing was tried, or the item sets differ or are empty.
    """
    id_sets = {frozenset(scores) for scores in validation.values()}
    if len(id_sets) != 1 or not (ids := next(iter(id_sets))):
        raise EvaluationError("each number of shots needs scores of the same validation items")
    means = {shots: _mean(validation[shots], statistic) for shots in sorted(validation)}
    best = max(means, key=lambda shots: (means[shots], -shots))
    return PromptChoice(shots=best, means=means, num_items=len(ids), item_ids=ids)


def _mean(scores: Scores, statistic: Statistic) -> float:
    return sum(read_number(score, statistic) or 0.0 for score in scores.values()) / len(scores)
