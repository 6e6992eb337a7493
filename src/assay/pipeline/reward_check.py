"""A recipe's reward before it is trained on: the base answers some prompts, and the grader grades.

Nothing is trained or kept. `evaluate/reward_check.py` says what speaks against the reward.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from assay.config import Loaded
from assay.config.sections.reinforcement import ROLLOUT_OBJECTIVES
from assay.config.sections.rollouts import RolloutSection
from assay.errors import EXIT_HELD, EXIT_OK, ConfigError, Problem
from assay.evaluate.reward_check import Finding, find_endings, find_faults
from assay.evaluate.reward_figures import Graded, Sampled, choose_examples, summarise
from assay.graders import Grader, Item, Sample, store_spec
from assay.graders.multi import MultiGrader
from assay.pipeline.graders import check_grader
from assay.pipeline.progress import PlainProgress, Progress
from assay.pipeline.reward_samples import (
    Written,
    choose_prompts,
    open_scratch_job,
    open_start,
    sample_groups,
)
from assay.pipeline.served import check_server

NUM_PROMPTS = 16
NUM_EXAMPLES = 3


@dataclass(frozen=True)
class RewardCheck:
    """What was sampled and graded, and what speaks against the reward.

    Attributes:
        base: the model that was asked, by name.
        num_prompts, group_size: of each prompt so many completions.
        sampled, prompts: completions in order, and by their place the texts that were asked.
        whole, parts: the grades of the reward, and of the parts of a combined one.
        findings: the reward is sound where there are none.
        seconds: of sampling.
    """

    base: str
    num_prompts: int
    group_size: int
    prompts: list[str]
    sampled: list[Sampled]
    whole: Graded
    parts: list[Graded]
    findings: list[Finding]
    seconds: float

    @property
    def exit_code(self) -> int:
        """3 where an error was found, else 0."""
        is_wrong = any(finding.severity == "error" for finding in self.findings)
        return EXIT_HELD if is_wrong else EXIT_OK

    def to_dict(self, *, num_examples: int = NUM_EXAMPLES) -> dict[str, Any]:
        """All of it as plain values; of the completions the best and the worst."""
        shown = choose_examples(self.sampled, self.whole, num=num_examples)
        return {
            "base": self.base,
            "num_prompts": self.num_prompts,
            "group_size": self.group_size,
            "sampling_s": self.seconds,
            "reward": summarise(self.sampled, self.whole),
            "parts": [summarise(self.sampled, part) for part in self.parts],
            "findings": [asdict(finding) for finding in self.findings],
            **{name: [self._show(place) for place in places] for name, places in shown.items()},
        }

    def _show(self, place: int) -> dict[str, Any]:
        one, grade = self.sampled[place], self.whole.grades[place]
        return {
            "reward": grade.reward,
            "sub_rewards": grade.sub_rewards,
            "errors": sorted(grade.errors),
            "prompt": self.prompts[one.group],
            "completion": one.text,
        }


def check_reward(
    loaded: Loaded, *, num_prompts: int = NUM_PROMPTS, progress: Progress | None = None
) -> RewardCheck:
    """Sample completions of a recipe's prompts from its base, grade them, and look at the rewards.

    Prompts are drawn from the training rows by the recipe's seed; sampling is that of its
    objective. The model is the base, with `method.start_from` where the recipe goes on from an
    adapter. With `objective.environment` a completion is an episode.

    Raises:
        ConfigError: the objective has no grader, or its description is wrong; no such base or
            environment.
        DataError: bad rows, all of them.
        GenerationError: the environment fails.
    """
    objective = _get_objective(loaded)
    progress = progress or PlainProgress()
    check_server(loaded)
    grader = check_grader(loaded)
    assert grader is not None, "objectives of prompts have a grader"
    with open_scratch_job(loaded, progress) as job:
        sequences = choose_prompts(job, num_prompts)
        engine = open_start(job)
        progress.stage("sample", f"{len(sequences)} prompts, {objective.group_size} times each")
        start = time.monotonic()
        written = sample_groups(engine, sequences, job, objective)
        seconds = time.monotonic() - start
        prompts = [job.tokenizer.decode(sequence.input_ids) for sequence in sequences]
    sampled = [
        Sampled(place // objective.group_size, one.text, one.num_tokens, one.is_truncated)
        for place, one in enumerate(written)
    ]
    progress.stage("grade", f"{len(sampled)} completions")
    whole, parts = grade_all(grader, objective.grader, written)
    return RewardCheck(
        loaded.recipe.base.name,
        len(sequences),
        objective.group_size,
        prompts,
        sampled,
        whole,
        parts,
        [
            *find_faults(sampled, whole, parts, seed=loaded.recipe.seed),
            *find_endings([one.ended for one in written]),
        ],
        seconds,
    )


def grade_all(
    grader: Grader, spec: Mapping[str, Any], written: Sequence[Written]
) -> tuple[Graded, list[Graded]]:
    """The grades of the whole, and of each part of a combined grader; nothing is asked twice."""
    samples, items = [one.sample for one in written], [one.item for one in written]
    kind = str(spec["type"])
    if not isinstance(grader, MultiGrader):
        return _grade_by(grader, grader.name, kind, samples, items), []
    kinds = {key: one["type"] for key, one in store_spec(spec)["graders"].items()}
    parts = [
        _grade_by(part, key, kinds[key], samples, items) for key, part in grader.graders.items()
    ]
    grades = grader.join({part.name: part.grades for part in parts}, len(samples))
    return Graded(grader.name, kind, grades, sum(part.seconds for part in parts)), parts


def _grade_by(
    grader: Grader, name: str, kind: str, samples: Sequence[Sample], items: Sequence[Item]
) -> Graded:
    start = time.monotonic()
    grades = grader.grade(samples, items)
    return Graded(name, kind, grades, time.monotonic() - start)


def _get_objective(loaded: Loaded) -> RolloutSection:
    objective = loaded.recipe.objective
    if isinstance(objective, RolloutSection):
        return objective
    problem = Problem(
        key="objective",
        got=f"objective {objective.type}, which has no grader",
        allowed=f"an objective with one: {', '.join(ROLLOUT_OBJECTIVES)}",
        do="write objective: {type: grpo, grader: {…}}",
    )
    raise ConfigError(loaded.locate(problem))
