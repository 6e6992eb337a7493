"""Grader `json_schema`: whether a text is JSON that a schema takes; it reaches no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from assay.graders.grade import EachGrader, GradeFailure, Grader, Item, Sample
from assay.graders.models import Models
from assay.graders.pattern import OUTPUT
from assay.graders.spec import SpecReader
from assay.graders.template import render_template
from assay.tools.timed_pattern import limit_patterns


def build_json_schema(spec: SpecReader, name: str, models: Models) -> Grader:
    """Fields `schema` (a JSON Schema) and `input` (a template).

    The reward is 1 where the whole text is JSON that the schema takes, else 0: text that is no
    JSON is a wrong answer and no failure of the grader.
    """
    text = spec.read_template("input", OUTPUT)
    schema = spec.read_any("schema", allowed="a JSON Schema")
    valid = spec.check("schema", lambda: _build_check(schema), allowed="a valid JSON Schema")

    def score(sample: Sample, item: Item) -> float:
        try:
            value = json.loads(render_template(text, sample, item), parse_constant=_refuse)
        except (ValueError, RecursionError):
            return 0.0
        return float(valid(value))

    return EachGrader(name, score)


def _build_check(schema: Any) -> Callable[[Any], bool]:
    import jsonschema
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    if not isinstance(schema, dict):
        raise ValueError(f"{schema!r} is no object")
    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ValueError(error.message) from None
    validator = limit_patterns(kind)(schema, registry=Registry())

    def is_valid(value: Any) -> bool:
        try:
            return bool(validator.is_valid(value))
        except Unresolvable as error:
            raise GradeFailure("other_error", f"the schema's reference: {error}") from None
        except RecursionError:
            raise GradeFailure("other_error", "the schema refers to itself without end") from None
        except TimeoutError:
            detail = "a pattern of the schema takes too long to be looked for"
            raise GradeFailure("unresponsive_reward_error", detail) from None

    return is_valid


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
