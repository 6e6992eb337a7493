"""Graders that ask what others provide: a reward model, and the rule that knows refusals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from assay.data.step_rows import list_prefixes
from assay.errors import AssayError
from assay.graders.grade import (
    EachGrader,
    Grade,
    GradeFailure,
    Grader,
    Item,
    Sample,
    check_reward,
    fail,
)
from assay.graders.models import Models, RewardModel
from assay.graders.pattern import OUTPUT
from assay.graders.spec import SpecReader
from assay.graders.template import render_template

AGGREGATES: dict[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "product": math.prod,
    "last": lambda values: values[-1],
}
"""How the probabilities of an answer's steps become its reward."""
STANCES = ("refuse", "answer")


def build_reward_model(spec: SpecReader, name: str, models: Models) -> Grader:
    """Field `model`: the folder of a model with a sequence-classification head; `steps`.

    The reward is its score of the conversation with the completion as the assistant's next turn.
    With `steps` the model is one of steps (`objective: process_reward`): each step's score is the
    probability that it is right, and the reward is the least (``min``), the product (``product``)
    or the last of them (``last``), as Lightman et al. 2023, section 4.1 and Wang et al. 2024
    aggregate them.
    """
    named = spec.read_text("steps", "", choices=tuple(AGGREGATES))
    model = models.open_reward_model(spec)
    return StepGrader(name, model, AGGREGATES[named]) if named else RewardModelGrader(name, model)


@dataclass(frozen=True)
class RewardModelGrader:
    """Scores answers after their prompts, a batch at a time."""

    name: str
    model: RewardModel | None

    def grade(self, samples: Sequence[Sample], items: Sequence[Item]) -> list[Grade]:
        assert self.model is not None
        chats = [
            [*sample.messages, {"role": "assistant", "content": sample.output_text}]
            for sample in samples
        ]
        try:
            return [check_reward(Grade(score)) for score in self.model.score(chats)]
        except AssayError as error:
            if len(samples) == 1:
                return [fail("model_grader_server_error", str(error))]
        # One that cannot be scored, being too long for the model, costs the others nothing.
        return [self.grade([one], [item])[0] for one, item in zip(samples, items, strict=True)]


@dataclass(frozen=True)
class StepGrader:
    """Scores answers up to the end of each step, a batch at a time; an empty one has reward 0."""

    name: str
    model: RewardModel | None
    aggregate: Callable[[Sequence[float]], float]

    def grade(self, samples: Sequence[Sample], items: Sequence[Item]) -> list[Grade]:
        # Each step is an answer of its own; what they begin with alike is computed once.
        parts = [
            replace(sample, output_text=text)
            for sample in samples
            for text in list_prefixes(sample.output_text)
        ]
        whole = RewardModelGrader(self.name, self.model)
        told = iter(whole.grade(parts, [{}] * len(parts)) if parts else [])
        return [
            self._join([next(told) for _ in list_prefixes(sample.output_text)])
            for sample in samples
        ]

    def _join(self, grades: Sequence[Grade]) -> Grade:
        failed = next((one for one in grades if one.errors), None)
        if failed is not None:
            return failed
        odds = [one.reward for one in grades]
        values = [1 / (1 + math.exp(-max(-700.0, score))) for score in odds]
        return Grade(self.aggregate(values) if values else 0.0)


def build_refusal(spec: SpecReader, name: str, models: Models) -> Grader:
    """Fields `wanted` ("refuse", "answer", or a template of one), `penalty` (1) and `input`.

    The reward is −penalty where the completion does the other, else 0: what safety suites ask
    of their items, as a term of a formula. Whether it refuses is judged by rule, in English.
    """
    text, wanted = spec.read_template("input", OUTPUT), spec.read_template("wanted")
    if not wanted.paths and wanted.parts and wanted.parts[0] not in STANCES:
        spec.note("wanted", f"wanted {wanted.parts[0]!r}", ", ".join(STANCES))
    penalty = spec.read_number("penalty", 1.0, low=0)
    refuses = models.refuses
    if refuses is None:
        spec.note("type", "refusal where no rule for refusals is at hand", "a recipe's grader")

    def score(sample: Sample, item: Item) -> float:
        stance = render_template(wanted, sample, item).strip()
        if stance not in STANCES:
            raise GradeFailure("other_error", f"{stance!r} is none of {', '.join(STANCES)}")
        assert refuses is not None
        said = "refuse" if refuses(render_template(text, sample, item)) else "answer"
        return 0.0 if said == stance else -penalty

    return EachGrader(name, score)
