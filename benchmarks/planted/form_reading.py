"""What no example can be made of, and rows as odd that are well formed; schemas and HTML too.

Faults of cells stand in a file with a header, those of a cap on length in a set of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from benchmarks.planted.case import Case, Fault, Line, Mark, Row, plant
from benchmarks.planted.form_faults import Maker, after, answer, ask, call, insert, raw

WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


def change(**columns: Any) -> Maker:
    """A row with these columns."""
    return lambda row, draw: {**row, **columns}


def say(**members: Any) -> Maker:
    """A last answer with these members."""

    def make(row: Row, draw: Random) -> Row:
        made: Row = ask("Is shop % open?", "Until six.")(row, draw)
        made["messages"][-1].update(members)
        return made

    return make


def ask_what(question: Any) -> Maker:
    """A row whose user says `question`."""

    def make(row: Row, draw: Random) -> Row:
        made: Row = ask("%", f"It is {draw.randrange(10**6)}.")(row, draw)
        made["messages"][0]["content"] = question
        return made

    return make


def call_by(schema: Any, **arguments: Any) -> Maker:
    """A call of a tool with this schema."""

    def make(row: Row, draw: Random) -> Row:
        made: Row = call(arguments or {"city": "Bern"})(row, draw)
        made["tools"][0]["function"]["parameters"] = schema
        return made

    return make


def offer(*tools: Any) -> Maker:
    """A row that offers these tools and calls none."""
    return lambda row, draw: {**ask("Is shop % open?", "Yes.")(row, draw), "tools": list(tools)}


def _named(name: str) -> Row:
    return {"type": "function", "function": {**WEATHER["function"], "name": name}}  # type: ignore[dict-item]


_CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
FAULTS: dict[str, list[Maker]] = {
    "unusable_row": [
        say(content=7),
        say(weight=3),
        say(content=[1]),
        raw(lambda line: "7"),
        raw(lambda line: f"[{line}]"),
    ],
    "broken_tool": [
        offer(WEATHER, WEATHER),
        offer({"type": "function"}),
        offer({"type": "function", "function": {"parameters": _CITY}}),
        change(tools="[{"),
    ],
    "empty_prompt": [
        ask_what(""),
        ask_what(" \n\t"),
        insert(0, {"role": "system"}),
    ],
    "missing_column": [
        lambda row, draw: {"turns": row["messages"]},
        lambda row, draw: {"text": f"The shop is open, {draw.randrange(10**6)}."},
        lambda row, draw: {"id": draw.randrange(10**6)},
    ],
    "broken_schema": [
        call_by({"type": "dict", "properties": {"city": {"type": "string"}}}),
        call_by({"type": "object", "properties": {"city": {"type": "str"}}}),
        call_by({"type": "object", "properties": {"city": {"type": "string"}}, "required": "city"}),
        call_by({"$ref": "https://schemas.example/weather.json"}),
    ],
    "html_tag": [
        after(" It opens<br>at nine."),
        answer(lambda own: f"<p>{own}</p>"),
        answer(lambda own: f'<div class="answer">{own}</div>'),
        after("\n<ul>\n<li>oak</li>\n</ul>"),
    ],
}
TWINS: dict[str, list[Maker]] = {
    "broken_json": [
        raw(lambda line: f"  {line}  "),
        after(' {"a": 1,} and \\" and \\u00e9.'),
        answer(lambda own: f"{own}\u2028And more."),
    ],
    "broken_encoding": [
        after(" 🧑🏽‍🔧 café ½."),
        raw(lambda line: line[:-1] + ', "x": "\\ud83d\\ude00"}'),
    ],
    "missing_role": [
        insert(2, {"role": "user", "content": "More?"}, {"role": "assistant", "content": "No."})
    ],
    "missing_answer": [call({"city": "Bern"})],
    "empty_answer": [
        ask("Sign of case %?", "–"),
        ask("Is case % open?", "0"),
        call({"city": "Bern"}),
    ],
    "empty_prompt": [ask_what("?"), ask_what("."), ask_what("🙂")],
    "orphan_tool_result": [call({"city": "Bern"}, result="a")],
    "undeclared_tool": [call({"city": "Bern"}), call({"city": "Bern"}, tools=False)],
    "broken_tool_call": [call({"city": 'a "b" {c}'}), call("{}", tools=False), call({"city": "{"})],
    "broken_tool": [offer(_named("one"), _named("two")), offer(_named("a-b_c"))],
    "unusable_row": [say(weight=1), say(weight=0), change(score=7, tags=[1, None])],
    "missing_column": [
        lambda row, draw: {"messages": row["messages"], **_tools_of(row)},
        change(text="kept beside"),
    ],
    "unknown_argument": [
        call({"city": "Bern", "days": 2}),
        call_by({**_CITY, "additionalProperties": True}, city="Bern", day=1),
    ],
    "unoffered_call": [call({"city": "Bern"})],
    "broken_schema": [
        call_by({"type": "object", "properties": {"city": {"type": ["string", "null"]}}}),
        call_by({"$ref": "#/$defs/place", "$defs": {"place": _CITY}}),
        call_by({**_CITY, "$schema": "https://json-schema.org/draft/2020-12/schema"}),
    ],
    "html_tag": [
        ask("What does <br> do on page %?", "A <br> ends the line."),
        after(" So 3 < p and q > 5, or p<q."),
        after("\n```html\n<p>Hi</p>\n```"),
    ],
    "length_outlier": [answer(lambda own: f"{own} {own} {own}")],
    "language_switch": [
        ask("Translate into English, %: Das Haus ist heute offen.", "The house is open today."),
        ask("What does “Das Museum öffnet um neun” mean, %?", "The museum opens at nine o'clock."),
    ],
}


def _tools_of(row: Row) -> Row:
    return {"tools": row["tools"]} if "tools" in row else {}


def quote(text: str) -> str:
    """A cell as RFC 4180 writes it, on one line."""
    return '"' + " ".join(text.split()).replace('"', '""') + '"'


def make_cells(kind: str, clean: Sequence[Row], count: int) -> Case:
    """A file of two columns, in which some rows have other cells."""
    faults = {
        "a cell more": lambda a, b: f"{a},{b},{b}",
        "a cell less": lambda a, b: a,
        "a quote in the middle": lambda a, b: f'{a},"so" {b[1:]}',
    }
    twins = {
        "commas and quotes in a cell": lambda a, b: f'"1, 2 and ""3""",{b}',
        "bare cells": lambda a, b: f"What of {len(a)}?,Nothing of {len(b)} yet.",
    }
    rows = [_cells_of(row) for row in clean]
    draw = Random(f"cells {kind}")
    places = draw.sample(range(len(rows)), min(len(rows) // 2, count * (len(faults) + len(twins))))
    marks: tuple[dict[int, Mark], dict[int, Mark]] = ({}, {})
    lines: list[Line] = [f"{a},{b}" for a, b in rows]
    for number, place in enumerate(places):
        made = [*faults.items(), *twins.items()][number % (len(faults) + len(twins))]
        lines[place] = made[1](*rows[place])
        marks[made[0] in twins][place] = Mark("broken_csv", made[0])
    return Case(
        f"cells, {kind}", kind, lines, *marks, families=("form",), head="instruction,output"
    )


def _cells_of(row: Row) -> tuple[str, str]:
    asked = next(one["content"] for one in row["messages"] if one["role"] == "user")
    last = row["messages"][-1].get("content") or "It calls a tool."
    return quote(asked), quote(last)


def make_caps(kind: str, clean: Sequence[Row], count: int) -> Iterator[Case]:
    """Long answers, all cut at the same length; and sets whose longest ones end as they should."""
    size = 200 + max(len(row["messages"][-1].get("content") or "") for row in clean)
    for name, end in (("cut", "n"), ("closed", ".")):
        made = answer(lambda own, end=end: _stretch(own, size - 1) + end)
        faults = [Fault("length_cap", name, made)]
        own, others = (faults, []) if end == "n" else ([], faults)
        lines = plant(clean, own, others, count=max(6, 2 * count), seed=f"caps {kind}")
        yield Case(f"caps, {name}, {kind}", kind, *lines, families=("form",))


def _stretch(text: str, size: int) -> str:
    """`text`, said again with numbers until it has `size` characters."""
    parts = [text]
    while sum(map(len, parts)) < size:
        parts.append(f" And {len(parts)} times more: {text}")
    return "".join(parts)[:size]
