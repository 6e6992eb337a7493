"""Bytes to located rows for the text formats: JSONL, JSON, CSV, plain text; knows no data format.

Lines end at the byte `\\n` and at nothing else, so line numbers are those of every editor; a `\\r`
before it, a byte-order mark at a line's start and blank lines are dropped. A row that cannot be
read is yielded as its `Problem`; a file whose remainder cannot be read raises `DataError`.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import sys
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

from assay.data.json_text import (
    RefusedValue,
    decode_at,
    find_refused,
    iterate_elements,
    iterate_members,
    parse_json,
    skip_space,
)
from assay.data.records import Row, describe_type, join_index
from assay.errors import DataError, Problem

# Columns of one chat row that hold lists: an object with such a list is a row, not a file of rows.
ROW_LISTS = frozenset({"messages", "conversations", "prompt", "completion", "tools", "history"})

_DELIMITERS = ("\t", ";", "|", ",")
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def iterate_lines(
    stream: BinaryIO, file: str, *, first: int = 1, offset: int = 0
) -> Iterator[tuple[int, str | Problem]]:
    """Number and text of each line, blank ones too; or why it is not UTF-8.

    Args:
        first: number of the stream's first line in its file, from 1.
        offset: bytes of the file that come before it.
    """
    for number, raw in enumerate(stream, start=first):
        if number == 1 and raw.startswith(_UTF16_MARKS):
            raise DataError(Problem("a UTF-16 file", "UTF-8", "save it as UTF-8", file, 1))
        yield number, _decode_line(raw, file, number, offset)
        offset += len(raw)


def _decode_line(raw: bytes, file: str, number: int, offset: int) -> str | Problem:
    try:
        return raw.decode("utf-8").removeprefix("\ufeff").rstrip("\r\n")
    except UnicodeDecodeError as error:
        before = len(raw[: error.start].decode("utf-8"))
        return Problem(
            f"byte 0x{raw[error.start]:02x}, which is not UTF-8, at byte offset {error.start} of "
            f"the line ({offset + error.start} of the file)",
            "UTF-8 text",
            "save the file as UTF-8, or remove the byte",
            file=file,
            line=number,
            column=before + 1,
        )


def read_jsonl(
    stream: BinaryIO, file: str, *, first: int = 1, offset: int = 0
) -> Iterator[Row | Problem]:
    """One JSON object a line; `first` and `offset` as in `iterate_lines`."""
    for number, line in iterate_lines(stream, file, first=first, offset=offset):
        if isinstance(line, Problem):
            yield line
        elif line.strip():
            yield _parse_line(line, file, number)


class LineBlock(NamedTuple):
    """Whole lines of a JSON Lines file, and what `read_jsonl` needs to read them apart."""

    first: int
    offset: int
    num_rows: int
    content: bytes


def iterate_blocks(stream: BinaryIO, *, size: int) -> Iterator[LineBlock]:
    """The lines of a JSON Lines file in blocks of `size` bytes and the rest of the last line."""
    first, offset = 1, 0
    while content := stream.read(size):
        content += stream.readline()
        yield LineBlock(first, offset, _count_rows(content), content)
        first += content.count(b"\n")
        offset += len(content)


def _count_rows(content: bytes) -> int:
    """Rows that `read_jsonl` makes of whole lines: all but the blank ones."""
    num_lines = content.count(b"\n") + (not content.endswith(b"\n"))
    num_objects = content.count(b"\n{") + content.startswith(b"{")
    if num_objects == num_lines:
        return num_lines
    lines = (_decode_line(raw, "", 1, 0) for raw in io.BytesIO(content))
    return sum(isinstance(line, Problem) or bool(line.strip()) for line in lines)


def _parse_line(line: str, file: str, number: int) -> Row | Problem:
    try:
        value = parse_json(line)
    except ValueError as error:
        return _json_problem(error, file, number)
    return _to_row(value, file, number)


def _to_row(value: Any, file: str, number: int, index: int | None = None) -> Row | Problem:
    if isinstance(value, dict):
        return Row(value, file, number, index=index)
    return Problem(
        describe_type(value),
        "an object with named columns",
        "write {…}",
        file=file,
        line=number,
        key=join_index(index, ""),
    )


def _json_problem(error: ValueError, file: str, number: int) -> Problem:
    syntax = isinstance(error, json.JSONDecodeError)
    message = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return Problem(
        f"broken JSON: {message}" if syntax else message,
        "one JSON object",
        "correct the syntax at this place" if syntax else "correct the value",
        file=file,
        line=number,
        column=error.colno if isinstance(error, json.JSONDecodeError) else None,
    )


def read_json(stream: BinaryIO, file: str) -> Iterator[Row | Problem]:
    """A list of objects, an object with one list of objects, or JSON lines under another name.

    Raises:
        DataError: the text is broken; what follows the break cannot be found again.
    """
    data = stream.read()
    if data.startswith(_UTF16_MARKS):
        raise DataError(Problem("a UTF-16 file", "UTF-8", "save it as UTF-8", file, 1))
    if _is_jsonl(data):
        yield from read_jsonl(io.BytesIO(data), file)
        return
    text = _decode_file(data, file)
    try:
        yield from _read_document(text, file)
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(_json_problem(error, file, _find_line(error, text))) from error


def _find_line(error: ValueError, text: str) -> int:
    if isinstance(error, json.JSONDecodeError):
        return error.lineno
    start = find_refused(text, error.start) if isinstance(error, RefusedValue) else 0
    return 1 + text.count("\n", 0, start)


def _is_jsonl(data: bytes) -> bool:
    lines = [line.rstrip() for line in data.removeprefix(codecs.BOM_UTF8).split(b"\n", 64)]
    filled = [line for line in lines if line.strip()]
    whole = [line for line in filled[:2] if line.startswith(b"{") and line.endswith(b"}")]
    return len(filled) > 1 and filled[0].startswith(b"{") and bool(whole)


def _decode_file(data: bytes, file: str) -> str:
    lines = []
    for _, line in iterate_lines(io.BytesIO(data), file):
        if isinstance(line, Problem):
            raise DataError(line)
        lines.append(line)
    return "\n".join(lines)


def _read_document(text: str, file: str) -> Iterator[Row | Problem]:
    start = skip_space(text, 0)
    if text[start : start + 1] == "[":
        yield from _read_list(text, start, file)
        return
    value, _ = decode_at(text, start)
    lists = [
        (key, offset)
        for key, member, offset in (iterate_members(text, start) if isinstance(value, dict) else ())
        if isinstance(member, list) and key not in ROW_LISTS
    ]
    if isinstance(value, dict) and len(lists) == 1 and not ROW_LISTS & value.keys():
        yield from _read_list(text, lists[0][1], file)
    elif isinstance(value, dict) and not lists:
        yield Row(value, file, 1 + text.count("\n", 0, start))
    else:
        names = ", ".join(key for key, _ in lists) or describe_type(value)
        raise DataError(
            Problem(
                f"a JSON document with {names}",
                "a list of objects, or an object that holds one list of objects",
                "write the rows as one list, or one row a line (.jsonl)",
                file=file,
            )
        )


def _read_list(text: str, start: int, file: str) -> Iterator[Row | Problem]:
    line, counted = 1, 0
    for index, (value, offset) in enumerate(iterate_elements(text, start)):
        line += text.count("\n", counted, offset)
        counted = offset
        yield _to_row(value, file, line, index)


def read_csv(stream: BinaryIO, file: str, *, delimiter: str = ",") -> Iterator[Row | Problem]:
    """A header line, then one row each; cells in quotes may hold line breaks.

    Raises:
        DataError: the header cannot be used, or a quote is not closed on its line and where its
            cell ends is unclear: nobody knows which of the lines up to there are rows.
    """
    csv.field_size_limit(sys.maxsize)  # the default refuses cells above 128 KiB
    undecodable: list[Problem] = []
    lines = _csv_lines(stream, file, undecodable)
    head = next(lines, "")
    _refuse_other_delimiter(head, delimiter, file)
    reader = csv.reader(chain([head], lines), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        first = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            problem = _broken_csv(error, file, first, reader.line_num)
            if header is None or reader.line_num > first:
                raise DataError(problem) from error
            yield problem
            continue
        if undecodable:
            yield from undecodable
            undecodable.clear()
        elif cells is None:
            return
        elif header is None:
            header = _check_header(cells, file, first)
        elif cells:
            yield _csv_row(header, cells, file, first)


def _refuse_other_delimiter(head: str, delimiter: str, file: str) -> None:
    """Refuse a header line that only another delimiter divides into columns."""
    other = next((mark for mark in _DELIMITERS if mark in head), None)
    if delimiter in head or other is None:
        return
    names = {"\t": "a tab", ",": "a comma"}
    raise DataError(
        Problem(
            f"a header that is one column, {head.strip()!r}: the delimiter is "
            f"{names.get(other, other)}",
            f"{names[delimiter]} between cells (.csv: a comma, .tsv: a tab)",
            "name the file .tsv" if other == "\t" else "save it with commas, as .csv",
            file,
            1,
        )
    )


def _broken_csv(error: csv.Error, file: str, first: int, last: int) -> Problem:
    if last <= first:
        got, do = f"broken CSV: {error}", "correct the quotes"
    else:
        got = f"broken CSV from line {first} to line {last}: {error}"
        do = f"close or double the quote that opens in line {first}, or correct line {last}"
    return Problem(got, "cells as RFC 4180 quotes them", do, file, first)


def _csv_lines(stream: BinaryIO, file: str, undecodable: list[Problem]) -> Iterator[str]:
    for _, line in iterate_lines(stream, file):
        if isinstance(line, Problem):
            undecodable.append(line)
            yield "\n"
        else:
            yield line + "\n"


def _check_header(cells: list[str], file: str, line: int) -> list[str]:
    names = [cell.strip() for cell in cells]
    double = {name for name in names if names.count(name) > 1}
    if double or not any(names):
        got = f"columns named twice: {', '.join(sorted(double))}" if double else "an empty header"
        raise DataError(
            Problem(got, "one name for each column", "correct the header line", file, line)
        )
    return names


def _csv_row(header: list[str], cells: list[str], file: str, line: int) -> Row | Problem:
    if len(cells) != len(header):
        return Problem(
            f"{len(cells)} cells",
            f"{len(header)}, as in the header",
            "quote cells that hold commas, quotes or line breaks",
            file=file,
            line=line,
        )
    return Row(dict(zip(header, cells, strict=True)), file, line)


def read_text(stream: BinaryIO, file: str) -> Iterator[Row | Problem]:
    """One row (column `text`) for each paragraph: lines up to the next blank line."""
    paragraph: list[str] = []
    first = 1
    for number, line in iterate_lines(stream, file):
        if isinstance(line, Problem):
            yield line
        elif line.strip():
            first = first if paragraph else number
            paragraph.append(line)
        elif paragraph:
            yield Row({"text": "\n".join(paragraph)}, file, first)
            paragraph = []
    if paragraph:
        yield Row({"text": "\n".join(paragraph)}, file, first)
