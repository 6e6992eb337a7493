"""Scores of tool calls written in an output, by name and arguments; it runs no tool."""

from __future__ import annotations

from dataclasses import asdict

from assay.evaluate.items import Item, Score, unscored, yes_no
from assay.tools import match_calls, parse_tool_calls, read_tool_calls, validate_call


def score_tool_call(output: str, item: Item) -> Score:
    """Right when the output makes the gold calls: same names, same arguments, no other call.

    Where gold makes no call the model must make none either (abstention). Calls in one turn may
    come in any order, unless ``options["ordered"]`` is true. A call that breaks its tool's schema
    is reported in the detail; text around the calls is not judged.
    """
    gold = read_tool_calls(item.reference if isinstance(item.reference, dict) else {})
    if gold.errors:
        return unscored("tool_call", f"the reference's call cannot be read: {gold.errors[0]}")
    answer = parse_tool_calls(output)
    ordered = bool(item.options.get("ordered", False))
    match = match_calls(gold.tool_calls, answer.tool_calls, ordered=ordered)
    invalid = [p for call in answer.tool_calls for p in validate_call(call, item.tools or [])]
    correct = match.names and match.arguments and not answer.errors
    return yes_no(
        "tool_call",
        correct,
        names=match.names,
        arguments=match.arguments,
        errors=answer.errors,
        invalid=invalid,
        expected=[asdict(call) for call in gold.tool_calls],
        actual=[asdict(call) for call in answer.tool_calls],
    )
