"""What a teacher is asked, and the rows with its answers, written one by one; it asks nobody.

A row carries the key of what was asked of whom, so that an interrupted writing goes on where it
stood, and rows of another teacher are never mixed in.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from assay.data.prompts import to_prompt
from assay.data.records import Message, Record
from assay.errors import DataError, Problem

KEY, TEACHER = "asked", "taught_by"
"""Columns of a written row beside its messages and the columns it had."""


@dataclass(frozen=True)
class Asked:
    """One answer that is asked for.

    Attributes:
        key: hash of the messages, of the sample's number and of the teacher with its settings.
        messages: the conversation up to the answer, as the row has it.
        extra: the row's other columns.
        place: of all answers that are asked for, from 0.
    """

    key: str
    messages: list[Message]
    extra: dict[str, Any]
    place: int


@dataclass(frozen=True)
class Answer:
    """A teacher's answer, or why it is none that could be learned from."""

    text: str
    left: str = ""


def list_asked(
    records: Sequence[Record], *, teacher: Mapping[str, Any], num_samples: int, has_system: bool
) -> list[Asked]:
    """What is asked: `num_samples` answers to each different conversation.

    Args:
        records: rows with or without answers; theirs are not looked at.
        teacher: all that decides an answer beside the conversation, as plain JSON values.
        has_system: the teacher gets a system prompt of its own.

    Raises:
        DataError: rows that are no conversations, that offer tools, or that have a system prompt
            where the teacher gets one.
    """
    problems = [problem for record in records if (problem := _refuse(record, has_system))]
    if problems:
        raise DataError(problems)
    told = json.dumps(teacher, sort_keys=True, ensure_ascii=False)
    found: dict[str, Asked] = {}
    for record in records:
        messages = _take_prompt(record)
        for number in range(num_samples):
            asked = json.dumps([told, messages, number], sort_keys=True, ensure_ascii=False)
            key = hashlib.sha256(asked.encode()).hexdigest()[:24]
            if key not in found:
                found[key] = Asked(key, messages, dict(record.extra), len(found))
    return list(found.values())


def _take_prompt(record: Record) -> list[Message]:
    return record.messages if record.is_prompt else to_prompt(record).messages


def _refuse(record: Record, has_system: bool) -> Problem | None:
    if record.kind != "chat":
        got, do = f"a row of {record.kind}, without turns", "map its columns to format: alpaca"
        return record.locate(Problem(got, "rows of chat, sharegpt, alpaca or prompts", do))
    if record.tools:
        do = "remove the tools, or learn from probabilities: objective distil"
        return record.locate(Problem("a row that offers tools", "rows without tools", do))
    if has_system and record.messages[0].get("role") in ("system", "developer"):
        do = "take it out of the row, or leave --system out"
        return record.locate(Problem("a row with a system prompt of its own", "rows without", do))
    return None


class TaughtFile:
    """The rows that are there already, and those that come.

    Beside ``FILE`` stands ``FILE.left``, of answers that could not be learned from and why; they
    are not asked for again.

    Args:
        path: the file of rows, JSON lines.
        teacher: its name in the rows.
        asked: all that is asked for.

    Raises:
        DataError: the file has rows that are not among `asked`.
    """

    def __init__(self, path: Path, *, teacher: str, asked: Sequence[Asked]) -> None:
        self.path, self.teacher = path, teacher
        self.left_path = path.with_name(f"{path.name}.left")
        keys = {one.key for one in asked}
        done = [_read_keys(file) for file in (self.path, self.left_path)]
        foreign = next((n for n, key in enumerate(done[0], start=1) if key not in keys), None)
        if foreign is not None:
            raise DataError(
                Problem(
                    got="a row that was asked of another teacher, with other settings or rows",
                    allowed="a new file, or one that this very command began",
                    do="name another file",
                    file=str(path),
                    line=foreign,
                )
            )
        self.num_rows, self.num_left = len(done[0]), len([key for key in done[1] if key in keys])
        self._done = {key for keys in done for key in keys}

    def list_missing(self, asked: Sequence[Asked]) -> list[Asked]:
        """What has no answer yet, in order."""
        return [one for one in asked if one.key not in self._done]

    def add(self, asked: Asked, answer: Answer) -> None:
        """Write one answer; it is on disk when this returns."""
        if answer.left:
            _append(self.left_path, {KEY: asked.key, "why": answer.left})
            self.num_left += 1
            return
        messages = [*asked.messages, {"role": "assistant", "content": answer.text}]
        row = {**asked.extra, "messages": messages, TEACHER: self.teacher, KEY: asked.key}
        _append(self.path, row)
        self.num_rows += 1


def _append(path: Path, row: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _read_keys(path: Path) -> list[Any]:
    """The key of every whole line; a last line that was cut off is taken out of the file."""
    if not path.exists():
        return []
    with path.open("r+", encoding="utf-8", newline="\n") as file:
        return _read_lines(file)


def _read_lines(file: TextIO) -> list[Any]:
    keys, end = [], 0
    while line := file.readline():
        if not line.endswith("\n"):
            file.seek(end)
            file.truncate()
            break
        end = file.tell()
        row = json.loads(line)
        keys.append(row.get(KEY) if isinstance(row, dict) else None)
    return keys
