"""Tool calls against the schemas of the tools that a row offers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.detector import Detector
from assay.data.curate.finding import Hit, Rule, Span
from assay.data.curate.passages import show
from assay.data.curate.settings import Settings
from assay.tools import find_unknown_arguments, validate_arguments

WRONG_ARGUMENTS = Rule(
    "wrong_arguments",
    "form",
    "error",
    "drop",
    "A tool call whose arguments the tool's own JSON Schema refuses: a wrong type, a missing or "
    "forbidden argument.",
)
UNKNOWN_ARGUMENT = Rule(
    "unknown_argument",
    "form",
    "warning",
    "drop",
    "A tool call with an argument that the tool's schema does not name, though it would let it "
    "pass.",
)
BROKEN_SCHEMA = Rule(
    "broken_schema",
    "form",
    "warning",
    "keep",
    "A tool whose parameters are not a JSON Schema: its calls cannot be checked.",
)
UNOFFERED_CALL = Rule(
    "unoffered_call",
    "form",
    "warning",
    "keep",
    "A tool call in a row that offers no tool at all: the model would learn to call what it was "
    "never shown.",
)
RULES = (WRONG_ARGUMENTS, UNKNOWN_ARGUMENT, BROKEN_SCHEMA, UNOFFERED_CALL)


def scan(batch: Batch, settings: Settings) -> Iterable[Hit]:
    """Hits of the rules of this module."""
    for row in batch.rows:
        offered = {one["function"]["name"]: one["function"] for one in row.record.tools or ()}
        for path, call in iterate_calls(row):
            if not offered:
                span = Span(f"{path}.name", 0, len(call["name"]), call["name"])
                yield Hit(row.number, UNOFFERED_CALL.name, f"{call['name']} was not offered", span)
                break
            yield from _check_call(row, path, call, offered[call["name"]].get("parameters"))


def iterate_calls(row: CheckedRow) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Path and function of each tool call of a row."""
    for index, message in enumerate(row.record.messages):
        for place, call in enumerate(message.get("tool_calls", ())):
            yield f"messages[{index}].tool_calls[{place}].function", call["function"]


def _check_call(row: CheckedRow, path: str, call: Mapping[str, Any], schema: Any) -> Iterator[Hit]:
    given = call["arguments"]
    arguments = json.loads(given)
    name, span = call["name"], Span(f"{path}.arguments", 0, len(given), show(given))
    checked = validate_arguments(arguments, schema)
    if checked.schema_problem:
        yield Hit(row.number, BROKEN_SCHEMA.name, f"{name}: {checked.schema_problem}", span)
        return
    if checked.problems:
        told = "; ".join(f"{name}{problem}" for problem in checked.problems[:3])
        yield Hit(row.number, WRONG_ARGUMENTS.name, show(told), span)
        return
    unknown = find_unknown_arguments(arguments, schema)
    if unknown:
        known = ", ".join(schema.get("properties", {}))
        told = f"{name} has no argument {', '.join(unknown)}, only {known}"
        yield Hit(row.number, UNKNOWN_ARGUMENT.name, show(told), span)


DETECTORS = (Detector("form_calls", RULES, scan=scan),)
