"""What a grader takes and gives: samples and items in, grades out, and what may go wrong by name.

The names of errors are those of OpenAI's grader runs (``metadata.errors``). It knows no grader.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

Item = Mapping[str, Any]
"""The columns of a prompt's row beside the prompt: what ``{{ item.x }}`` reads."""

ERRORS = (
    "formula_parse_error",
    "sample_parse_error",
    "truncated_observation_error",
    "unresponsive_reward_error",
    "invalid_variable_error",
    "other_error",
    "python_grader_server_error",
    "python_grader_runtime_error",
    "model_grader_server_error",
    "model_grader_refusal_error",
    "model_grader_parse_error",
)
_DETAILS = {
    "python_grader_server_error_type": "python_grader_server_error",
    "python_grader_runtime_error_details": "python_grader_runtime_error",
    "model_grader_server_error_details": "model_grader_server_error",
}


@dataclass(frozen=True)
class Sample:
    """One completion of a prompt.

    Attributes:
        output_text: what the model wrote.
        messages: the conversation up to the completion.
        output_tools: its tool calls, in OpenAI's form (``{"function": {"name", "arguments"}}``).
        output_json: the text's JSON value, where it was already read.
        num_tokens: of the completion.
        finish_reason: "stop" or "length".
        token_ids: of the completion, where they are known.
        episode_reward: what the turns of its episode were worth in their environment; None where
            it is an answer without one.
    """

    output_text: str
    messages: tuple[Mapping[str, Any], ...] = ()
    output_tools: tuple[Mapping[str, Any], ...] = ()
    output_json: Any | None = None
    num_tokens: int = 0
    finish_reason: str = "stop"
    token_ids: tuple[int, ...] = ()
    episode_reward: float | None = None


@dataclass(frozen=True)
class Grade:
    """A sample's reward (finite), those of the parts of a combined grader, and what went wrong.

    `errors` are names of `ERRORS`; `detail` says why, in words. `token_usage` counts the tokens
    that model graders used, by model.
    """

    reward: float
    sub_rewards: dict[str, float] = field(default_factory=dict)
    errors: frozenset[str] = frozenset()
    detail: str = ""
    token_usage: dict[str, int] = field(default_factory=dict)


class Grader(Protocol):
    """Gives rewards."""

    @property
    def name(self) -> str: ...

    def grade(self, samples: Sequence[Sample], items: Sequence[Item]) -> list[Grade]:
        """A grade for each sample, whose row's other columns are the item at the same place.

        A sample that cannot be graded has reward 0 and says why; nothing is raised for it.
        """
        ...


class GradeFailure(Exception):
    """One sample cannot be graded: the name of the error among `ERRORS`, and why."""

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail)
        self.error, self.detail = error, detail


@dataclass(frozen=True)
class EachGrader:
    """Grades samples one by one with `score`, which raises `GradeFailure` where it cannot."""

    name: str
    score: Callable[[Sample, Item], float]

    def grade(self, samples: Sequence[Sample], items: Sequence[Item]) -> list[Grade]:
        return [self._grade_one(*pair) for pair in zip(samples, items, strict=True)]

    def _grade_one(self, sample: Sample, item: Item) -> Grade:
        try:
            return check_reward(Grade(float(self.score(sample, item))))
        except GradeFailure as failure:
            return fail(failure.error, failure.detail)


def fail(*errors_and_detail: str) -> Grade:
    """Reward 0 with the named errors; the last argument is the detail."""
    *errors, detail = errors_and_detail
    return Grade(0.0, errors=frozenset(errors), detail=detail)


def check_reward(grade: Grade) -> Grade:
    """The grade, or its failure where the reward is not finite."""
    if math.isfinite(grade.reward):
        return grade
    errors = grade.errors | {"other_error"}
    return replace(grade, reward=0.0, errors=errors, detail=f"a reward of {grade.reward}")


def describe_errors(grade: Grade) -> dict[str, Any]:
    """The published form: eleven truths and three texts, which are null where nothing failed."""
    flags: dict[str, Any] = {name: name in grade.errors for name in ERRORS}
    return flags | {
        name: grade.detail or None if flag in grade.errors else None
        for name, flag in _DETAILS.items()
    }
