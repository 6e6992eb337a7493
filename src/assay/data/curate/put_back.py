"""A mended record back into the row that it was read from, in the row's own shape.

It is proved by reading: a row is given back only if it reads as the record does. Where the shape
cannot hold it, the row is a chat row.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from assay.data.curate.look import read_texts
from assay.data.curate.reading import Reading
from assay.data.records import Record, Row, canonical_json, compute_content_hash

_SPEAKERS = {"user": "human", "assistant": "gpt", "system": "system", "developer": "system"}


def put_back(row: Row, before: Record, after: Record, reading: Reading) -> dict[str, Any]:
    """The fields of `row` with what `after` has in place of `before`."""
    if compute_content_hash(before) == compute_content_hash(after) and before.extra == after.extra:
        return dict(row.fields)
    for fields in _try(row, before, after, reading):
        if _reads_as(fields, row, after, reading):
            return fields
    return {
        **after.extra,
        "messages": after.messages,
        **({"tools": after.tools} if after.tools else {}),
    }


def _try(row: Row, before: Record, after: Record, reading: Reading) -> Iterator[dict[str, Any]]:
    fields = {**copy.deepcopy(row.fields), **_changed_extra(row, before, after)}
    old, new = read_texts(before), read_texts(after)
    changed = {old[path]: text for path, text in new.items() if old.get(path, text) != text}
    used = {name for name in fields if name not in after.extra}
    yield {name: _swap(cell, changed) if name in used else cell for name, cell in fields.items()}
    own = _write(after, reading.shape)
    yield {**fields, **{reading.columns.get(name, name): cell for name, cell in own.items()}}


def _changed_extra(row: Row, before: Record, after: Record) -> dict[str, Any]:
    return {
        name: cell
        for name, cell in after.extra.items()
        if name in row.fields and before.extra.get(name) != cell
    }


def _swap(value: Any, changed: Mapping[str, str]) -> Any:
    """`value` with every text that changed replaced, at any depth and within JSON text."""
    if isinstance(value, str):
        return changed[value] if value in changed else _swap_in_json(value, changed)
    if isinstance(value, dict):
        return {name: _swap(one, changed) for name, one in value.items()}
    return [_swap(one, changed) for one in value] if isinstance(value, list) else value


def _swap_in_json(text: str, changed: Mapping[str, str]) -> str:
    if text[:1] not in ("[", "{"):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    swapped = _swap(value, changed)
    return text if swapped == value else json.dumps(swapped, ensure_ascii=False)


def _write(record: Record, shape: str) -> dict[str, Any]:
    """The columns of a shape that hold the record, as far as the shape can."""
    tools = {"tools": record.tools} if record.tools else {}
    if shape == "sharegpt":
        turns = [
            {"from": _SPEAKERS.get(one["role"], one["role"]), "value": one.get("content") or ""}
            for one in record.messages
        ]
        return {"conversations": turns, **tools}
    texts = {one["role"]: one.get("content") or "" for one in record.messages}
    if shape == "alpaca":
        asked = {"instruction": texts.get("user", ""), "input": "", "output": texts["assistant"]}
        return asked | ({"system": texts["system"]} if "system" in texts else {})
    if shape == "completion":
        return {"prompt": texts.get("user", ""), "completion": texts.get("assistant", "")}
    if shape == "text":
        return {"text": texts.get("assistant", "")}
    return {"messages": record.messages, **tools}


def _reads_as(fields: dict[str, Any], row: Row, record: Record, reading: Reading) -> bool:
    again = Row(fields, row.file, row.line, row.columnar, row.index)
    read = reading.convert(again, "train").record
    if read is None:
        return False
    same = canonical_json(read.extra) == canonical_json(record.extra)
    return same and compute_content_hash(read) == compute_content_hash(record)
