"""The criteria of an eval: graders, and from which score on each is passed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.graders import Grade, Grader, Sample, describe_errors
from assay.serve.bases import Bases
from assay.serve.errors import ApiError, refuse
from assay.serve.evals.rows import EvalRow
from assay.serve.graders.routes import build_asked

THRESHOLD = "pass_threshold"
_ALL_OR_NOTHING = ("string_check", "label_model")
_NEEDS_THRESHOLD = ("text_similarity",)
_BY_TEMPLATE = ("string_check", "text_similarity", "score_model", "label_model", "multi")
_READS = re.compile(r"\{\{\s*sample\b")


_NO_SAMPLE = Grade(
    0.0, errors=frozenset({"invalid_variable_error"}), detail="the row has no sample"
)


@dataclass(frozen=True)
class Criterion:
    """A grader by the name that results bear; `threshold` is the least score that passes."""

    name: str
    kind: str
    grader: Grader
    threshold: float
    reads_sample: bool


def build_criteria(specs: Sequence[Mapping[str, Any]], bases: Bases) -> list[Criterion]:
    """The criteria of descriptions that came over HTTP.

    Raises:
        ApiError: what is wrong with them, by place.
    """
    built = []
    for place, spec in enumerate(specs):
        try:
            built.append(_build(spec, bases))
        except ApiError as error:
            inner = (error.param or "").removeprefix("grader").strip(".")
            error.param = ".".join(filter(None, (f"testing_criteria.{place}", inner)))
            raise
    names = [one.name for one in built]
    if len(set(names)) < len(names):
        raise refuse("Two criteria have the same name.", param="testing_criteria")
    return built


def judge(
    criteria: Sequence[Criterion], rows: Sequence[EvalRow], samples: Sequence[Sample | None]
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Of each row its status (pass, fail or error) and its results by criterion.

    A sample of None is a row without an answer: what reads one cannot be graded.
    """
    results: list[list[dict[str, Any]]] = [[] for _ in rows]
    for one in criteria:
        grades = one.grader.grade(
            [sample or Sample("") for sample in samples], [row.item for row in rows]
        )
        for own, grade, sample in zip(results, grades, samples, strict=True):
            lacks = sample is None and one.reads_sample
            own.append(_describe(one, _NO_SAMPLE if lacks else grade))
    return [(_find_status(own), own) for own in results]


def _describe(criterion: Criterion, grade: Grade) -> dict[str, Any]:
    """A result; why it could not be graded is in ``x_assay``."""
    passed = not grade.errors and grade.reward >= criterion.threshold
    told = {"errors": describe_errors(grade), "detail": grade.detail or None}
    return {
        "name": criterion.name,
        "type": criterion.kind,
        "passed": passed,
        "score": grade.reward,
        **({"x_assay": told} if grade.errors else {}),
    }


def _find_status(results: Sequence[Mapping[str, Any]]) -> str:
    if any("x_assay" in one for one in results):
        return "error"
    return "pass" if all(one["passed"] for one in results) else "fail"


def _build(spec: Mapping[str, Any], bases: Bases) -> Criterion:
    given = dict(spec)
    threshold = given.pop(THRESHOLD, None)
    kind = given.get("type")
    if not isinstance(kind, str):
        raise refuse("A criterion needs a type.", param="type")
    if threshold is not None and (
        isinstance(threshold, bool) or not isinstance(threshold, int | float)
    ):
        raise refuse(f"{THRESHOLD} must be a number.", param=THRESHOLD)
    if threshold is None and kind in _NEEDS_THRESHOLD:
        raise refuse(f"{kind} needs {THRESHOLD}.", param=THRESHOLD)
    if threshold is not None and kind in _ALL_OR_NOTHING:
        raise refuse(f"{kind} passes or not: leave {THRESHOLD} out.", param=THRESHOLD)
    grader = build_asked(given, bases)
    name = str(given.get("name") or kind)
    # Programs may do without; all others of ours that have no template read the answer.
    reads = kind not in _BY_TEMPLATE or _READS.search(json.dumps(given)) is not None
    threshold = _choose_threshold(given, threshold)
    return Criterion(name, kind, grader, threshold, reads and kind != "python")


def _choose_threshold(spec: Mapping[str, Any], threshold: float | None) -> float:
    """Without one all or nothing must be 1, and other scores reach the middle of their range."""
    if threshold is not None:
        return float(threshold)
    if spec["type"] in _ALL_OR_NOTHING:
        return 1.0
    low, high = spec.get("range") or (0.0, 1.0)
    return float(low + high) / 2
