"""Grader `tool_call`: whether a completion makes the calls that were expected."""

from __future__ import annotations

import json
from typing import Any

from assay.graders.grade import EachGrader, GradeFailure, Grader, Item, Sample
from assay.graders.models import Models
from assay.graders.spec import SpecReader
from assay.graders.template import Template, look_up, render_template
from assay.tools import ToolCall, match_calls, parse_tool_calls
from assay.tools.calls import CallError, ParsedAnswer, build_call, read_tool_calls


def build_tool_call(spec: SpecReader, name: str, models: Models) -> Grader:
    """Fields `reference`, `match` ("arguments" or "names") and `ordered`.

    The reference is a list of calls, or a template such as ``{{ item.calls }}`` of one, in the
    forms of datasets and of OpenAI; an empty list means that no tool is to be called. The reward
    is 1 where the same tools are called, with "arguments" as `tools/match` compares them, else 0.
    A call that cannot be read is wrong.
    """
    given = spec.read_any("reference", allowed="a list of calls, or a template of one")
    reference = spec.compile("reference", given) if isinstance(given, str) else None
    fixed = None
    if reference is None and given is not None:
        fixed = spec.check("reference", lambda: read_calls(given), allowed="calls of tools")
    by_names = spec.read_text("match", "arguments", choices=("arguments", "names")) == "names"
    ordered = spec.read_flag("ordered", False)

    def score(sample: Sample, item: Item) -> float:
        expected = fixed if reference is None else _read_expected(reference, sample, item)
        said = _read_said(sample)
        if said.errors:
            return 0.0
        match = match_calls(expected or [], said.tool_calls, ordered=ordered)
        return float(match.names if by_names else match.arguments)

    return EachGrader(name, score)


def read_calls(given: Any) -> list[ToolCall]:
    """Calls from a list of them, or from one. Raises ValueError for anything else."""
    listed = given if isinstance(given, list | tuple) else [given]
    return [build_call(one) for one in listed]


def _read_expected(reference: Template, sample: Sample, item: Item) -> list[ToolCall]:
    if len(reference.parts) == 1 and reference.paths:
        value = look_up(reference.paths[0], sample, item)
    else:
        value = render_template(reference, sample, item)
    try:
        return read_calls(json.loads(value) if isinstance(value, str) else value)
    except (CallError, ValueError) as error:
        raise GradeFailure("other_error", f"the expected calls: {error}") from None


def _read_said(sample: Sample) -> ParsedAnswer:
    if sample.output_tools:
        return read_tool_calls({"tool_calls": list(sample.output_tools)})
    return parse_tool_calls(sample.output_text)
