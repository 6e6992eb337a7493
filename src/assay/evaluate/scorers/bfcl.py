"""Scores calls by BFCL's rules: among the possible right ones, and none where none fits."""

from __future__ import annotations

from dataclasses import asdict

from assay.evaluate.items import Item, Score, unscored, yes_no
from assay.tools import parse_tool_calls
from assay.tools.possible import find_possible_problem


def score_bfcl(output: str, item: Item) -> Score:
    """Right when the calls are possible right ones (see `find_possible_problem`).

    ``options["bfcl"]`` holds ``possible``, ``functions`` and ``expects``: "calls", "none"
    (irrelevance: nothing may be called) or "any" (relevance: something must be). What cannot be
    read as a call is none, as in the published checker.
    """
    told = item.options.get("bfcl")
    if not isinstance(told, dict):
        return unscored("bfcl", "the item has no possible answers of BFCL")
    calls = parse_tool_calls(output).tool_calls
    if told["expects"] == "none":
        problem = f"{calls[0].name} is called, and nothing may be" if calls else ""
    elif told["expects"] == "any":
        problem = "" if calls else "nothing is called"
    else:
        problem = find_possible_problem(calls, told["possible"], told["functions"])
    actual = [asdict(call) for call in calls]
    return yes_no("bfcl", not problem, problem=problem, actual=actual)
