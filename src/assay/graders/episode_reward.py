"""Grader `episode`: what the environment itself gave for the turns of an episode."""

from __future__ import annotations

from assay.graders.grade import EachGrader, GradeFailure, Grader, Item, Sample
from assay.graders.models import Models
from assay.graders.spec import SpecReader


def build_episode_reward(spec: SpecReader, name: str, models: Models) -> Grader:
    """No fields: the sum of what `step` returned, of samples that an environment was played for."""

    def score(sample: Sample, item: Item) -> float:
        if sample.episode_reward is None:
            raise GradeFailure("other_error", "an answer without an environment has no episode")
        return sample.episode_reward

    return EachGrader(name, score)
