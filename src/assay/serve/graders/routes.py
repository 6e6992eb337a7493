"""The routes of graders: validate a description, and run it on one answer.

What an answer cannot be graded for is no error of the request: reward 0, and the reason by name.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from assay.errors import ConfigError, Problem
from assay.graders import Grade, Grader, Sample, build_grader, describe_errors, store_spec
from assay.pipeline.graders import build_models
from assay.serve.auth import Principal, require
from assay.serve.bases import Bases
from assay.serve.errors import refuse_problems
from assay.serve.jobs.extensions import settle_grader
from assay.serve.jobs.fields import Closed

User = Annotated[Principal, Depends(require("train"))]
PLACE = "grader"


class ValidateGrader(Closed):
    grader: dict[str, Any]


class RunGrader(Closed):
    """`x_assay` may have `output_tools`: the calls of the answer, which a text cannot hold."""

    grader: dict[str, Any]
    model_sample: str
    item: dict[str, Any] | None = None
    x_assay: dict[str, Any] | None = None


def build_router() -> APIRouter:
    """Run and validate."""
    router = APIRouter(prefix="/fine_tuning/alpha/graders")
    router.post("/validate")(validate)
    router.post("/run")(run)
    return router


def validate(request: Request, user: User, asked: ValidateGrader) -> dict[str, Any]:
    """The grader as it was sent, or everything that is wrong with it."""
    build_asked(asked.grader, request.app.state.bases)
    return {"grader": asked.grader}


def run(request: Request, user: User, asked: RunGrader) -> dict[str, Any]:
    """What the grader makes of one answer."""
    grader = build_asked(asked.grader, request.app.state.bases)
    sample = _build_sample(asked.model_sample, asked.x_assay or {})
    began = time.monotonic()
    (grade,) = grader.grade([sample], [asked.item or {}])
    return render_grade(asked.grader, grade, time.monotonic() - began)


def build_asked(spec: Mapping[str, Any], bases: Bases) -> Grader:
    """The grader of a description that came over HTTP.

    Raises:
        ApiError: everything that is wrong with it, or that it may not name here.
    """
    problems: list[Problem] = []
    grader = None
    try:
        settled = settle_grader(store_spec(spec), bases, problems, place=PLACE)
        grader = build_grader(settled, models=build_models(Path()), place=PLACE)
    except ConfigError as error:
        problems += error.problems
    if grader is None or problems:
        raise refuse_problems(list(dict.fromkeys(problems)), code="invalid_grader")
    return grader


def render_grade(spec: Mapping[str, Any], grade: Grade, duration_s: float) -> dict[str, Any]:
    """A grade in OpenAI's form; what went wrong in words is in ``x_assay``."""
    scores = grade.sub_rewards or {str(spec.get("name") or spec["type"]): grade.reward}
    return {
        "reward": grade.reward,
        "sub_rewards": grade.sub_rewards,
        "model_grader_token_usage_per_model": grade.token_usage,
        "metadata": {
            "name": str(spec.get("name") or spec["type"]),
            "type": spec["type"],
            "errors": describe_errors(grade),
            "execution_time": duration_s,
            "scores": scores,
            "token_usage": sum(grade.token_usage.values()) if grade.token_usage else None,
            "sampled_model_name": None,
        },
        "x_assay": {"detail": grade.detail or None},
    }


def _build_sample(text: str, extra: Mapping[str, Any]) -> Sample:
    value = None
    with suppress(ValueError):
        value = json.loads(text)
    return Sample(text, output_tools=tuple(extra.get("output_tools") or ()), output_json=value)
