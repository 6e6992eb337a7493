"""Builds a grader from its description, in OpenAI's schemas or ours; all problems come at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from assay.errors import ConfigError, Problem
from assay.generate.remote import Endpoint
from assay.graders.episode_reward import build_episode_reward
from assay.graders.formula import FUNCTIONS, Formula, parse_formula
from assay.graders.grade import Grader
from assay.graders.length import build_length
from assay.graders.model_graders import build_label_model, build_score_model
from assay.graders.models import Models
from assay.graders.multi import MultiGrader, gather_parts
from assay.graders.numeric import build_numeric
from assay.graders.pattern import build_regex
from assay.graders.python import build_python
from assay.graders.repetition import build_repetition
from assay.graders.schema import build_json_schema
from assay.graders.served import build_refusal, build_reward_model
from assay.graders.similarity import build_text_similarity
from assay.graders.spec import SpecReader
from assay.graders.string_check import build_string_check
from assay.graders.tool_call import build_tool_call
from assay.graders.unit_tests import build_unit_tests

Builder = Callable[[SpecReader, str, Models], Grader]

BUILDERS: dict[str, Builder] = {
    "string_check": build_string_check,
    "text_similarity": build_text_similarity,
    "regex": build_regex,
    "numeric": build_numeric,
    "json_schema": build_json_schema,
    "length": build_length,
    "python": build_python,
    "score_model": build_score_model,
    "label_model": build_label_model,
    "unit_tests": build_unit_tests,
    "tool_call": build_tool_call,
    "repetition": build_repetition,
    "reward_model": build_reward_model,
    "refusal": build_refusal,
    "episode": build_episode_reward,
}
TYPES = (*BUILDERS, "multi")
_KEY = re.compile(r"[A-Za-z_]\w*")


def build_grader(
    spec: Mapping[str, Any],
    *,
    endpoints: Mapping[str, Endpoint] | None = None,
    models: Models | None = None,
    place: str = "grader",
) -> Grader:
    """The grader that `spec` describes.

    Args:
        spec: a description in the published schemas, or of one of our types.
        endpoints: where models are served, by the name that `spec` calls them.
        models: what else graders may ask; without it none but endpoints.
        place: of `spec` in what the user wrote, for messages.

    Raises:
        ConfigError: with everything that is wrong with it.
    """
    problems: list[Problem] = []
    models = models or Models()
    asked = replace(models, endpoints={**models.endpoints, **(endpoints or {})})
    grader = _build(SpecReader(spec, place, problems), asked, within=())
    if problems:
        raise ConfigError(problems)
    assert grader is not None
    return grader


def store_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The form in which a description is kept: `multi` with a map of graders, each with a name."""
    stored = dict(spec)
    stored.setdefault("name", stored.get("type"))
    if stored.get("type") == "multi":
        parts = gather_parts(stored.get("graders"))
        stored["graders"] = {key: {"name": key, **one} for key, one in parts.items()}
    return stored


def _build(spec: SpecReader, models: Models, *, within: tuple[str, ...]) -> Grader | None:
    """The grader, or None where a problem was noted; `within` are the names of those around it."""
    if not isinstance(spec.spec, Mapping):
        spec.note("type", f"{spec.spec!r}", "a grader, such as {type: numeric, …}")
        return None
    kind = spec.spec.get("type")
    if kind not in TYPES:
        near = get_close_matches(str(kind), TYPES, n=1)
        got = "no type" if kind is None else f"type {kind!r}"
        spec.note("type", got, ", ".join(TYPES), f"write {near[0]}" if near else "")
        return None
    name = spec.read_name(within[-1] if within else str(kind))
    known = len(spec.problems)
    if kind == "multi":
        grader = _build_multi(spec, name, models, within=within)
    else:
        grader = BUILDERS[kind](spec, name, models)
    spec.finish()
    return None if len(spec.problems) > known else grader


def _build_multi(
    spec: SpecReader, name: str, models: Models, *, within: tuple[str, ...]
) -> Grader | None:
    if within:
        spec.note("type", "multi within multi", do="write one formula of all graders")
    given = spec.read_any("graders", allowed="graders by name")
    text = spec.read_text("calculate_output")
    allowed = "a formula of the graders' names"
    formula = spec.check("calculate_output", lambda: parse_formula(text), allowed=allowed)
    if given is None:
        return None
    parts = spec.check("graders", lambda: gather_parts(given), allowed="graders by name") or {}
    _check_names(spec, parts, formula)
    graders = {
        key: _build(
            SpecReader(one, f"{spec.place}.graders.{key}", spec.problems), models, within=(key,)
        )
        for key, one in parts.items()
    }
    built = {key: grader for key, grader in graders.items() if grader is not None}
    return None if formula is None else MultiGrader(name, built, formula)


def _check_names(spec: SpecReader, parts: Mapping[str, Any], formula: Formula | None) -> None:
    for key in parts:
        if not _KEY.fullmatch(key) or key in FUNCTIONS:
            allowed = f"letters, digits and _, and none of {', '.join(FUNCTIONS)}"
            spec.note("graders", f"the name {key!r} of a grader", allowed)
    if not parts:
        spec.note("graders", "no graders", "graders by name")
    if formula is None:
        return
    for unknown in sorted(formula.names - parts.keys()):
        spec.note("calculate_output", f"the name {unknown!r}", ", ".join(parts))
