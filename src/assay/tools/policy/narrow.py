"""Narrows a tool's JSON Schema to what calls of it show, with room for what they do not; pure.

What is not seen in n calls comes next with a chance of about 1 in n, so a limit is drawn only where
there are many calls, and beyond what they show.
"""

from __future__ import annotations

import copy
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from assay.tools.policy.rules import ArgumentRule
from assay.tools.validate import list_failed_keywords

MIN_CALLS = 50
"""Calls from which a list of values, a pattern or a tight range is believed."""
_MAX_CHOICES = 20
_MIN_CHARS = 64
_CODE = re.compile(r"[A-Za-z0-9]+(?:[-_./:#][A-Za-z0-9]+)*")
_RUN = re.compile(r"[A-Z]+|[a-z]+|[0-9]+|[-_./:#]")


def narrow_parameters(
    schemas: Sequence[Mapping[str, Any]],
    calls: Sequence[Mapping[str, Any]],
    rules: Mapping[str, ArgumentRule],
) -> dict[str, Any]:
    """The schema of a tool's arguments as its calls use it.

    Unknown arguments are refused. Of arguments that no call gives, a tool that leads out keeps
    those that hold no free text.

    Args:
        schemas: those under which rows offer the tool: in all of them it may be called.
        calls: the arguments of each call.
        rules: of the arguments that lead out.
    """
    values: dict[str, list[Any]] = {}
    for call in calls:
        for name, value in call.items():
            values.setdefault(name, []).append(value)
    known = _join_properties(schemas)
    names = [name for name in known if name in values or not rules or _is_harmless(known[name])]
    properties = {
        name: _narrow(known.get(name), values.get(name, []), leads=_leads(rules, name))
        for name in [*names, *(name for name in values if name not in known)]
    }
    wanted = [set(one.get("required") or ()) for one in schemas]
    common = set.intersection(*wanted) if wanted else set(properties)
    more = {
        key: copy.deepcopy(schema[key])
        for schema in schemas
        for key in ("$defs", "definitions")
        if key in schema
    }
    return {
        "type": "object",
        "properties": properties,
        "required": [n for n in properties if n in common and len(values.get(n, ())) == len(calls)],
        "additionalProperties": False,
        **more,
    }


def _join_properties(schemas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The properties of all schemas; one that they declare differently may be of any of those."""
    declared: dict[str, list[Any]] = {}
    for schema in schemas:
        properties = schema.get("properties")
        for name, one in properties.items() if isinstance(properties, Mapping) else ():
            plain = _undescribed(one)
            if plain not in declared.setdefault(name, []):
                declared[name].append(plain)
    return {name: one[0] if len(one) == 1 else {"anyOf": one} for name, one in declared.items()}


def _undescribed(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    return {key: copy.deepcopy(value) for key, value in schema.items() if key != "description"}


def _leads(rules: Mapping[str, ArgumentRule], name: str) -> bool:
    return name in rules and rules[name].leads


def _is_harmless(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return False
    return "enum" in schema or schema.get("type") in ("boolean", "integer", "number")


def _narrow(schema: Any, values: Sequence[Any], *, leads: bool) -> dict[str, Any]:
    """The schema of one argument; one that its own values break is replaced by what they are."""
    own = dict(schema) if isinstance(schema, Mapping) else {}
    if not values:
        return own
    whole = {"properties": {"value": own}}
    if not own or any(list_failed_keywords({"value": value}, whole) for value in _sample(values)):
        own = {"type": _list_types(values)}
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    texts = [v for v in values if isinstance(v, str)]
    if len(numbers) == len(values):
        own |= _limit_numbers(numbers, own)
    elif len(texts) == len(values) and "enum" not in own and "const" not in own:
        own |= _limit_texts(texts, own, leads=leads)
    return own


def _sample(values: Sequence[Any], most: int = 500) -> Sequence[Any]:
    return values[:: max(1, len(values) // most)]


def _list_types(values: Sequence[Any]) -> list[str]:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    found = {"null" if value is None else names.get(type(value), "object") for value in values}
    return sorted(found - {"integer"} if "number" in found else found)


def _limit_numbers(numbers: Sequence[float], own: Mapping[str, Any]) -> dict[str, float]:
    """From the least to the greatest, and as far again to both sides (of few numbers, ten times).

    What is never negative stays so.
    """
    low, high = min(numbers), max(numbers)
    margin = max(high - low, abs(high), abs(low), 1) * (1 if len(numbers) >= MIN_CALLS else 10)
    limits: dict[str, float] = {}
    if not {"maximum", "exclusiveMaximum"} & own.keys():
        limits["maximum"] = math.ceil(high + margin)
    if not {"minimum", "exclusiveMinimum"} & own.keys():
        limits["minimum"] = math.floor(min(0, low)) if low >= 0 else math.floor(low - margin)
    return limits


def _limit_texts(texts: Sequence[str], own: Mapping[str, Any], *, leads: bool) -> dict[str, Any]:
    counts = Counter(texts)
    if len(texts) >= MIN_CALLS and not leads:
        if len(counts) <= _MAX_CHOICES and min(counts.values()) >= 3:
            return {"enum": sorted(counts)}
        if pattern := _find_pattern(list(counts)):
            return {"pattern": pattern}
    if "maxLength" in own or "pattern" in own:
        return {}
    return {"maxLength": max(_MIN_CHARS, 4 * max(map(len, texts)))}


def _find_pattern(texts: Sequence[str]) -> str:
    """A pattern for codes such as P14441 or A-2024/17, where all are made alike; else ""."""
    if len(texts) < MIN_CALLS or not all(_CODE.fullmatch(text) for text in texts):
        return ""
    if not all(any(c.isdigit() for c in text) for text in texts):
        return ""
    split = [_RUN.findall(text) for text in texts]
    kinds = Counter(tuple(map(_kind, runs)) for runs in split)
    if len(kinds) > 3 or min(kinds.values()) < 5:
        return ""
    shapes = [_shape([runs for runs in split if tuple(map(_kind, runs)) == kind]) for kind in kinds]
    return f"^(?:{'|'.join(sorted(shapes))})$" if len(shapes) > 1 else f"^{shapes[0]}$"


def _kind(run: str) -> str:
    return "A" if run.isupper() else "a" if run.islower() else "9" if run.isdigit() else run


def _shape(split: Sequence[Sequence[str]]) -> str:
    parts = []
    for runs in zip(*split, strict=True):
        kind, lengths = _kind(runs[0]), {len(run) for run in runs}
        letters = {"A": "[A-Z]", "a": "[a-z]", "9": "[0-9]"}.get(kind)
        if letters is None:
            parts.append(re.escape(kind))
        elif lengths == {1}:
            parts.append(letters)
        else:
            parts.append(f"{letters}{{1,{2 * max(lengths)}}}")
    return "".join(parts)
