"""Scores of answers that must be JSON: validity, and the share of right fields.

A Markdown code fence around the JSON is taken off, and the detail says so: whether to accept it
is the business of whoever consumes the answer, so `json_valid` refuses it.
"""

from __future__ import annotations

import re
from typing import Any

from assay.evaluate.items import Item, Score, load_json, reference_text, unscored, yes_no
from assay.evaluate.scorers.text import normalise, strip_reasoning

_FENCE = re.compile(r"\A\s*```[a-zA-Z]*\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)


def score_json_valid(output: str, item: Item) -> Score:
    """Right when the whole output is one strict JSON value (no fence, no NaN, no prose)."""
    try:
        load_json(strip_reasoning(output))
    except (ValueError, RecursionError) as error:
        return yes_no("json_valid", False, error=str(error))
    return yes_no("json_valid", True)


def score_json_fields(output: str, item: Item) -> Score:
    """Share of the gold object's fields that the output has with an equal value, in [0, 1].

    Fields are the leaves of nested objects (``address.city``); a list is one field and keeps its
    order. Fields that gold does not have count in the denominator, so inventing costs. Right only
    when all fields match. Numbers compare by value (1 = 1.0), text after `normalise`.
    """
    gold = parse_object(reference_text(item))
    if gold is None:
        return unscored("json_fields", "the reference is not a JSON object")
    body, fenced = _unfence(strip_reasoning(output))
    said = parse_object(body)
    if said is None:
        return Score("json_fields", 0.0, False, {"valid": False, "fenced": fenced})
    gold_leaves, said_leaves = _leaves(gold), _leaves(said)
    wrong = sorted(
        key
        for key in gold_leaves.keys() | said_leaves.keys()
        if key not in gold_leaves
        or key not in said_leaves
        or not _equal(gold_leaves[key], said_leaves[key])
    )
    total = len(gold_leaves.keys() | said_leaves.keys())
    value = 1.0 if total == 0 else (total - len(wrong)) / total
    detail = {"valid": True, "fenced": fenced, "wrong": [".".join(key) for key in wrong]}
    return Score("json_fields", value, not wrong, detail)


def parse_object(text: str) -> dict[str, Any] | None:
    """The JSON object that `text` is, or None."""
    try:
        value = load_json(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unfence(text: str) -> tuple[str, bool]:
    match = _FENCE.match(text)
    return (match.group(1), True) if match else (text, False)


def _leaves(value: dict[str, Any], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    leaves: dict[tuple[str, ...], Any] = {}
    for key, inner in value.items():
        here = (*path, key)
        if isinstance(inner, dict) and inner:
            leaves |= _leaves(inner, here)
        else:
            leaves[here] = inner
    return leaves


def _equal(gold: Any, said: Any) -> bool:
    # In Python True == 1; in JSON they are different values.
    if isinstance(gold, bool) or isinstance(said, bool):
        return gold is said
    if isinstance(gold, str) and isinstance(said, str):
        return normalise(gold) == normalise(said)
    if isinstance(gold, list) and isinstance(said, list):
        pairs = zip(gold, said, strict=False)
        return len(gold) == len(said) and all(_equal(*pair) for pair in pairs)
    if isinstance(gold, dict) and isinstance(said, dict):
        return gold.keys() == said.keys() and all(_equal(gold[key], said[key]) for key in gold)
    return bool(gold == said)
