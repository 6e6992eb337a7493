"""One row to one record by the name of its shape; reads no file and renders nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from assay.data.chat_rows import add_system, check_conversation, read_messages
from assay.data.plain_rows import (
    has_message_lists,
    read_alpaca,
    read_completion,
    read_message_completion,
    read_string,
    read_text_row,
)
from assay.data.preference_rows import read_label, read_openai_pair, read_pair, read_rated
from assay.data.prompt_rows import check_prompt, read_prompt
from assay.data.records import Kind, Message, Record, Role, RowCheck, is_trained, to_json_value
from assay.data.shapes import COMPARED, SHAPES, STORED, rename_columns
from assay.data.sharegpt_rows import read_conversations
from assay.data.step_rows import read_steps
from assay.data.stored import restore_record
from assay.data.tool_rows import Tool, parse_if_text, read_tools


def convert_row(
    check: RowCheck,
    shape: str,
    *,
    columns: Mapping[str, str],
    system: str | None = None,
    group_by: str | None = None,
    source: str = "",
    weight: float = 1.0,
    role: Role = "task",
    provenance: Mapping[Any, str] | None = None,
) -> Record | None:
    """The record of `check.row`, without an id, or None where `check` now holds problems.

    Args:
        columns: `{field of the format: column of the file}`.
        system: system prompt for chat rows that have none.
        group_by: column (of the file) whose value is the record's group.
        provenance: of the whole source; kept in `extra` where it is given.
    """
    row = check.row
    if shape == STORED:
        stored = restore_record(
            row.fields, source=source, weight=weight, role=role, group_by=group_by
        )
        return replace(stored, messages=add_system(stored.messages, system))
    fields = rename_columns(row.fields, columns)
    missing = [name for name in SHAPES[shape].required if name not in fields]
    for name in missing:
        seen = ", ".join(row.fields) or "(none)"
        do = _advise_shape(shape, fields)
        check.refuse(columns.get(name, name), f"no such column, only {seen}", f"{shape} rows", do)
    group = _read_group(row.fields, group_by, check)
    if missing:
        return None
    read = _read_compared if shape in COMPARED else _read_shape
    found = read(shape, fields, check, system)
    used = {columns.get(name, name) for name in SHAPES[shape].columns}
    extra = _read_extra({n: cell for n, cell in row.fields.items() if n not in used}, check)
    if check.problems:
        return None
    if provenance:
        extra["provenance"] = dict(provenance)
    return Record(
        id="",
        messages=found.messages,
        tools=found.tools,
        kind=found.kind,
        group=group,
        file=row.file,
        line=row.line,
        source=source,
        weight=weight,
        extra=extra,
        role=role,
        index=row.index,
        rejected=found.rejected,
        is_wanted=found.is_wanted,
        step_labels=found.step_labels,
    )


def _advise_shape(shape: str, fields: Mapping[str, Any]) -> str:
    """What to do about a row that lacks columns of `shape`: it may be of another one."""
    others = [name for name, other in SHAPES.items() if name != "prompt" and other.fits(fields)]
    if not others:
        return "add the column, or remove the row"
    return f"list {others[0]} rows as a source of their own, apart from {shape} rows"


def _read_extra(cells: Mapping[str, Any], check: RowCheck) -> dict[str, Any]:
    extra = {}
    for name, cell in cells.items():
        try:
            extra[name] = to_json_value(cell)
        except ValueError as error:
            check.refuse(name, str(error), "text, numbers, dates, lists", "leave the column out")
    return extra


def _read_group(fields: Mapping[str, Any], group_by: str | None, check: RowCheck) -> str | None:
    if group_by is None:
        return None
    value = fields.get(group_by)
    if isinstance(value, str | int | float) and value != "":
        return str(value)
    got = "no group" if value is None or value == "" else "a group that is not text or a number"
    check.refuse(group_by, got, "a value of data.group_by in every row", "fill in the column")
    return None


class _Read(NamedTuple):
    """What of a row goes into its record."""

    kind: Kind
    messages: list[Message]
    tools: list[Tool] | None
    rejected: list[Message] | None = None
    is_wanted: bool | None = None
    step_labels: list[bool] | None = None


_CONVERSATIONS = {
    "preference": ("prompt+chosen", "prompt+rejected"),
    "openai_preference": ("input+preferred_output", "input+non_preferred_output"),
    "rated": ("messages",),
    "stepwise": ("prompt+completions",),
}


def _read_compared(
    shape: str, fields: dict[str, Any], check: RowCheck, system: str | None
) -> _Read:
    """A row whose whole answers are compared or rated, or that has none."""
    holder = fields["input"] if shape == "openai_preference" else fields
    offered = holder.get("tools") if isinstance(holder, dict) else None
    tools = read_tools(offered or fields.get("functions"), check)
    rejected: list[Message] | None = None
    is_wanted, step_labels = None, None
    if shape == "prompt":
        kind, messages = read_prompt(fields, check)
    elif shape == "rated":
        kind, messages = read_rated(fields, check)
        is_wanted = read_label(fields["label"], check, "label")
    elif shape == "stepwise":
        kind, messages, step_labels = read_steps(fields, check)
    else:
        read = read_openai_pair if shape == "openai_preference" else read_pair
        kind, messages, rejected = read(fields, check)
    if kind == "completion":
        return _Read(kind, messages, None, rejected, is_wanted, step_labels)
    own_system = read_string(fields, "system", check)
    if check.problems:
        return _Read(kind, [], tools)
    if shape == "prompt":
        check_prompt(messages, tools, check, key="messages")
        return _Read(kind, add_system(messages, own_system or system), tools)
    whole = [messages] if rejected is None else [messages, _exchange(messages, rejected)]
    for conversation, key in zip(whole, _CONVERSATIONS[shape], strict=False):
        check_conversation(conversation, tools, check, key=key)
    spoken = add_system(messages, own_system or system)
    return _Read(kind, spoken, tools, rejected, is_wanted, step_labels)


def _exchange(messages: list[Message], rejected: list[Message]) -> list[Message]:
    """The conversation with the rejected answer in the place of the chosen one."""
    trained = (n for n, one in enumerate(messages) if is_trained(one))
    return [*messages[: next(trained, len(messages))], *rejected]


def _read_shape(shape: str, fields: dict[str, Any], check: RowCheck, system: str | None) -> _Read:
    if shape == "text":
        return _Read("text", read_text_row(fields, check), None)
    if shape == "completion" and not has_message_lists(fields):
        return _Read("completion", read_completion(fields, check), None)
    tools = read_tools(fields.get("tools") or fields.get("functions"), check)
    own_system = read_string(fields, "system", check)
    messages, key = _read_chat(shape, fields, check)
    if not check.problems:
        if own_system and any(message["role"] == "system" for message in messages):
            check.refuse("system", "two system prompts", "a column or a message", "keep one")
        check_conversation(messages, tools, check, key=key)
    return _Read("chat", add_system(messages, own_system or system), tools)


def _read_chat(shape: str, fields: dict[str, Any], check: RowCheck) -> tuple[list[Message], str]:
    if shape == "alpaca":
        return read_alpaca(fields, check), "output"
    if shape == "completion":
        return read_message_completion(fields, check), "prompt+completion"
    before = len(check.problems)
    key = SHAPES[shape].required[0]
    value = parse_if_text(fields[key], check, key)
    if len(check.problems) > before:
        return [], key
    if shape == "sharegpt":
        return read_conversations(value, check), key
    if fields.get("weight") is not None:
        check.refuse("weight", "a weight on the row", "weights on assistant messages", "move it")
    return read_messages(value, check), key
