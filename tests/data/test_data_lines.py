"""Bytes to located rows: line numbers, columns, offsets, and what each file format allows."""

from __future__ import annotations

import gzip
import json
import lzma
from io import BytesIO
from typing import Any

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.data.lines import read_csv, read_json, read_jsonl, read_text
from assay.data.records import Row
from assay.errors import DataError, Problem


def lines_of(rows: list[Row | Problem]) -> list[tuple[int | None, bool]]:
    return [(row.line, isinstance(row, Row)) for row in rows]


def test_jsonl_keeps_line_numbers_over_bom_crlf_and_blank_lines() -> None:
    data = b'\xef\xbb\xbf{"a": 1}\r\n\r\n  \n{"a": 2}\n{"a": 3}'
    rows = list(read_jsonl(BytesIO(data), "f"))
    assert lines_of(rows) == [(1, True), (4, True), (5, True)]
    assert [row.fields for row in rows if isinstance(row, Row)] == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_line_separator_characters_inside_a_string_are_no_line_ends() -> None:
    data = '{"a": "x\u2028y\u0085z\x0b"}\n{"a": 2}\n'.replace("\x0b", "\\u000b").encode()
    rows = list(read_jsonl(BytesIO(data), "f"))
    assert lines_of(rows) == [(1, True), (2, True)]


def test_byte_that_is_not_utf8_is_located_by_column_and_offset() -> None:
    first = '{"a": "é"}\n'.encode()
    second = '{"b": "é'.encode() + b"\xff" + b'"}\n'
    _, problem = read_jsonl(BytesIO(first + second), "f")
    assert isinstance(problem, Problem)
    # {"b": "é is 8 characters but 9 bytes; the first line is 12 bytes.
    assert (problem.line, problem.column) == (2, 9)
    assert "byte 0xff" in problem.got
    assert "offset 9 of the line (21 of the file)" in problem.got


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        (b'{"a": 1,, "b": 2}', 9, "broken JSON"),
        (b'{"a": 1} x', 10, "Extra data"),
        (b'{"a": "x', 7, "Unterminated string"),
        (b'{"a": 1, "a": 2}', None, "'a' stands twice"),
        (b'{"a": NaN}', None, "NaN is not JSON"),
        (b'{"a": "\\ud83d"}', None, "surrogate"),
        (b"[1, 2]", None, "a list"),
        (b"7", None, "a number"),
        (b'{"a": ' + b"[" * 100_000, None, "nested too deeply"),
    ],
)
def test_broken_line_says_what_and_where(line: bytes, column: int | None, words: str) -> None:
    (problem,) = read_jsonl(BytesIO(line), "f")
    assert isinstance(problem, Problem)
    assert (problem.line, problem.column) == (1, column)
    assert words in problem.got


def test_whole_surrogate_pair_is_read() -> None:
    (row,) = read_jsonl(BytesIO(b'{"a": "\\ud83d\\ude00"}'), "f")
    assert isinstance(row, Row)
    assert row.fields == {"a": "😀"}


def test_utf16_file_is_named_as_such() -> None:
    with pytest.raises(DataError, match="UTF-16"):
        list(read_jsonl(BytesIO('{"a": 1}'.encode("utf-16")), "f"))


def test_json_list_has_the_lines_of_its_elements() -> None:
    data = b'[\n  {"a": 1},\n  {"a":\n 2}, {"a": 3},\n  4]\n'
    rows = list(read_json(BytesIO(data), "f"))
    assert lines_of(rows) == [(2, True), (3, True), (4, True), (5, False)]


def test_json_object_with_one_list_of_rows() -> None:
    data = b'{"version": 1,\n "data": [\n{"a": 1},\n{"a": 2}]}'
    assert lines_of(list(read_json(BytesIO(data), "f"))) == [(3, True), (4, True)]


def test_json_object_with_two_lists_is_refused() -> None:
    with pytest.raises(DataError, match="a JSON document with train, test"):
        list(read_json(BytesIO(b'{"train": [], "test": []}'), "f"))


def test_json_object_that_is_one_chat_row() -> None:
    rows = list(read_json(BytesIO(b'{"messages": [{"role": "user"}]}'), "f"))
    assert lines_of(rows) == [(1, True)]


def test_json_lines_in_a_file_named_json_even_with_a_broken_first_line() -> None:
    rows = list(read_json(BytesIO(b'{"a": 1\n{"a": 2}\n{"a": 3}\n'), "f"))
    assert lines_of(rows) == [(1, False), (2, True), (3, True)]


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'[{"a": 1},\n {"a" 2}]', (2, 7)),
        (b'[{"a": 1},\n]', (2, 1)),
        (b'[{"a": 1}\n', (1, 10)),
    ],
)
def test_broken_json_document_is_located(data: bytes, place: tuple[int, int]) -> None:
    with pytest.raises(DataError) as caught:
        list(read_json(BytesIO(data), "f"))
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == place


def test_csv_rows_begin_at_their_first_line() -> None:
    data = b'a,b\r\n1,"x\r\ny"\r\n\r\n2,z\r\n'
    rows = list(read_csv(BytesIO(data), "f"))
    assert lines_of(rows) == [(2, True), (5, True)]
    assert [row.fields for row in rows if isinstance(row, Row)] == [
        {"a": "1", "b": "x\ny"},
        {"a": "2", "b": "z"},
    ]


def test_csv_problems_leave_the_other_rows_readable() -> None:
    data = b'a,b\n1\n2,\xff\n3,"x"y\n4,z\n'
    rows = list(read_csv(BytesIO(data), "f"))
    assert lines_of(rows) == [(2, False), (3, False), (4, False), (5, True)]
    assert [row.got.split()[0] for row in rows if isinstance(row, Problem)] == [
        "1",
        "byte",
        "broken",
    ]


def test_csv_with_a_cell_above_the_default_limit() -> None:
    (row,) = read_csv(BytesIO(b"a\n" + b"x" * 200_000 + b"\n"), "f")
    assert isinstance(row, Row)
    assert len(row.fields["a"]) == 200_000


def test_csv_header_with_a_column_twice_is_refused() -> None:
    with pytest.raises(DataError, match="columns named twice: a"):
        list(read_csv(BytesIO(b"a,b,a\n1,2,3\n"), "f"))


def test_text_is_read_by_paragraph() -> None:
    rows = list(read_text(BytesIO(b"\none\ntwo\n\n\nthree\n"), "f"))
    assert [(row.line, row.fields["text"]) for row in rows if isinstance(row, Row)] == [
        (2, "one\ntwo"),
        (6, "three"),
    ]


def test_gzip_is_read_by_its_ending(read: Any) -> None:
    data = gzip.compress(b'{"text": "x"}\n')
    assert read(data, name="rows.jsonl.gz").records[0].messages[0]["content"] == "x"


def test_damaged_gzip_is_a_refusal_that_names_the_file(read: Any) -> None:
    data = gzip.compress(b'{"text": "x"}\n' * 1000)[:-20]
    result = read(data, name="rows.jsonl.gz")
    assert result.refusals[0].file.endswith("rows.jsonl.gz")


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers(), min_size=1), max_size=8))
def test_what_is_written_as_json_lines_is_read_back(rows: list[dict[str, Any]]) -> None:
    data = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    read = list(read_jsonl(BytesIO(data), "f"))
    assert [row.fields for row in read if isinstance(row, Row)] == rows
    assert [row.line for row in read] == list(range(1, len(rows) + 1))


@pytest.mark.parametrize(
    ("data", "last"),
    [
        (b'a,b\n1,x\n2,"y\n3,z\n4,w\n', 5),
        (b'a,b\n1,x\n2,"y\n3,"z"\n4,w\n', 4),
        (b'a,b\n1,x\n2,"y""\n3,z\n', 4),
    ],
)
def test_a_quote_that_is_not_closed_refuses_the_rest_of_the_file(data: bytes, last: int) -> None:
    with pytest.raises(DataError) as caught:
        list(read_csv(BytesIO(data), "f"))
    (problem,) = caught.value.problems
    assert problem.line == 3
    assert problem.got.startswith(f"broken CSV from line 3 to line {last}: ")


def test_an_unclosed_quote_is_never_a_row_to_be_dropped(read: Any) -> None:
    rows = b"".join(b"%d\n" % number for number in range(100))
    result = read(b'text\n"one\n' + rows, name="rows.csv")
    assert [problem.line for problem in result.refusals] == [2]


def test_broken_csv_header_is_not_replaced_by_the_next_row() -> None:
    with pytest.raises(DataError, match="broken CSV"):
        list(read_csv(BytesIO(b'a,"b"c\n1,2\n3,4\n'), "f"))


@pytest.mark.parametrize(
    ("data", "delimiter", "words"),
    [
        (b"question;answer\n1;2\n", ",", "the delimiter is ;"),
        (b'"question";"answer"\n1;2\n', ",", "the delimiter is ;"),
        (b"question\tanswer\n1\t2\n", ",", "the delimiter is a tab"),
        (b"question,answer\n1,2\n", "\t", "the delimiter is a comma"),
    ],
)
def test_another_delimiter_is_named(data: bytes, delimiter: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        list(read_csv(BytesIO(data), "f", delimiter=delimiter))


def test_one_column_with_semicolons_in_its_cells_is_read() -> None:
    (row,) = read_csv(BytesIO(b"text\nso; yes\n"), "f")
    assert isinstance(row, Row) and row.fields == {"text": "so; yes"}


def test_refused_value_of_a_json_document_is_located_within_its_row() -> None:
    rows = ['{"a": 1}'] * 50 + ['{"a": 1,\n "b": [{"x": 1, "x": 2}]}']
    listed = "[\n" + ",\n".join(rows) + "\n]"
    for text, line in ((listed, 53), ('{"version": 1, "data": ' + listed + "}", 53)):
        with pytest.raises(DataError, match="'x' stands twice") as caught:
            list(read_json(BytesIO(text.encode()), "f"))
        assert caught.value.problems[0].line == line


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a": ' * 1200, b'[1,\n{"a": NaN}]'])
def test_json_document_that_is_refused_within_never_escapes(data: bytes) -> None:
    with pytest.raises(DataError):
        list(read_json(BytesIO(data), "f"))


def test_damaged_xz_is_a_refusal_that_names_the_file(read: Any) -> None:
    data = lzma.compress(b'{"text": "x"}\n' * 1000)
    for damaged in (data[:-20], b"not xz at all", data[:40] + b"\0" * 8 + data[48:]):
        (problem,) = read(damaged, name="rows.jsonl.xz").refusals
        assert problem.file.endswith("rows.jsonl.xz")


@pytest.mark.parametrize("codec", [None, fsspec.compression.unzip])
def test_zst_without_a_codec_that_notices_damage_names_the_package(
    read: Any, codec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fsspec.compression.compr, "zstd", codec)
    (problem,) = read(b"\x28\xb5\x2f\xfd", name="rows.jsonl.zst").refusals
    assert "pip install backports.zstd" in problem.do


def test_zst_is_read_and_damage_to_it_is_a_refusal(read: Any) -> None:
    zstd = pytest.importorskip("backports.zstd", reason="Python has its own zstd from 3.14")
    data = zstd.compress(b'{"text": "x"}\n' * 1000)
    whole = read(data, name="rows.jsonl.zst")
    assert (len(whole.records), whole.refusals) == (1000, [])
    for damaged in (data[:-8], data[:10] + b"\0" * 8 + data[18:]):
        (problem,) = read(damaged, name="rows.jsonl.zst").refusals
        assert problem.file.endswith("rows.jsonl.zst")


def test_rows_of_a_list_on_one_line_are_told_apart_by_their_index(read: Any) -> None:
    good = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    bad = {"messages": [{"role": "user", "content": "q"}]}
    result = read(json.dumps([good, bad, 3, bad]).encode(), name="rows.json")
    found = [(problem.line, problem.key) for problem in result.problems]
    assert found == [(1, "[1].messages"), (1, "[2]"), (1, "[3].messages")]
    assert result.records[0].place.endswith("rows.json:1[0]")
