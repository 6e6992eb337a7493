"""Grader `multi`: several graders, and a formula of their rewards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.graders.formula import Formula, FormulaError
from assay.graders.grade import Grade, Grader, Item, Sample


@dataclass(frozen=True)
class MultiGrader:
    """`graders` by the names that `formula` has for their rewards.

    A part that fails has reward 0, and its errors are those of the whole too; the formula is
    computed all the same. Where it has no value the reward is 0, with "formula_parse_error".
    """

    name: str
    graders: Mapping[str, Grader]
    formula: Formula

    def grade(self, samples: Sequence[Sample], items: Sequence[Item]) -> list[Grade]:
        parts = {key: grader.grade(samples, items) for key, grader in self.graders.items()}
        return self.join(parts, len(samples))

    def join(self, parts: Mapping[str, Sequence[Grade]], num_samples: int) -> list[Grade]:
        """The grades of the whole, from those that each part gave the same samples."""
        return [
            self._join_one({key: grades[place] for key, grades in parts.items()})
            for place in range(num_samples)
        ]

    def _join_one(self, parts: Mapping[str, Grade]) -> Grade:
        rewards = {key: grade.reward for key, grade in parts.items()}
        errors = frozenset().union(*(grade.errors for grade in parts.values()))
        details = [f"{key}: {grade.detail}" for key, grade in parts.items() if grade.detail]
        usage: dict[str, int] = {}
        for grade in parts.values():
            for model, tokens in grade.token_usage.items():
                usage[model] = usage.get(model, 0) + tokens
        try:
            reward = self.formula.compute(rewards)
        except FormulaError as error:
            reward, errors = 0.0, errors | {"formula_parse_error"}
            details.append(str(error))
        return Grade(reward, rewards, errors, "; ".join(details), usage)


def gather_parts(given: Any) -> dict[str, Any]:
    """The graders of a `multi` by name, from each of its three published shapes.

    These are a map by name, a list of graders with names, and one grader; a grader without a name
    is called by its type.

    Raises:
        ValueError: another shape, or two graders of one name.
    """
    if isinstance(given, Mapping) and not isinstance(given.get("type"), str):
        return {str(key): value for key, value in given.items()}
    listed = [given] if isinstance(given, Mapping) else given
    if not isinstance(listed, list | tuple):
        raise ValueError(f"{given!r}")
    parts: dict[str, Any] = {}
    for one in listed:
        if not isinstance(one, Mapping):
            raise ValueError(f"{one!r} among graders")
        key = str(one.get("name") or one.get("type"))
        if key in parts:
            raise ValueError(f"two graders of the name {key}")
        parts[key] = one
    return parts
