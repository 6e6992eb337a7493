"""Draws rows of an invented help desk: clean by construction, and no two near each other.

Questions and answers, conversations of several turns, tool calls with results, and messages to
sort into queues. The same issue is always decided in the same way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from benchmarks.planted import desk_words
from benchmarks.planted.desk_words import ISSUES, Issue, parse_lines

Row = dict[str, Any]
_CHOICE = re.compile(r"\[([^\[\]]+)\]")
_SYSTEMS = (
    "You are the desk of a furniture shop. Answer kindly and to the point.",
    "You answer customers of Fernhill Furniture.",
    "",
)
_SORT = "Sort the customer's message into one of these queues: {}. Say its name alone."


def draw_desk_rows(num_rows: int, *, seed: int = 0) -> list[Row]:
    """`num_rows` chat rows, no two with the same question."""
    rng = Random(f"desk {seed}")
    rows: list[Row] = []
    seen: set[str] = set()
    while len(rows) < num_rows:
        make = rng.choices(MAKERS, (5, 3, 3, 2))[0]
        row = make(rng, rng.choice(ISSUES))
        asked = next(one["content"] for one in row["messages"] if one["role"] == "user")
        if asked not in seen:
            seen.add(asked)
            rows.append(row)
    return rows


def draw_values(rng: Random) -> dict[str, str]:
    """A value for every slot."""
    good, good2 = rng.sample(desk_words.GOODS, 2)
    colour, colour2 = rng.sample(desk_words.COLOURS, 2)
    city, city2 = rng.sample(desk_words.CITIES, 2)
    day, day2 = rng.sample(desk_words.DAYS, 2)
    return {
        "order": f"FH-{rng.randrange(10_000, 100_000)}",
        "part": rng.choice(desk_words.PARTS),
        "number": str(rng.randrange(4, 20)),
        "days": "five",
        **{"good": good, "good2": good2, "colour": colour, "colour2": colour2},
        **{"city": city, "city2": city2, "day": day, "day2": day2},
    }


def spell(rng: Random, line: str, values: dict[str, str]) -> str:
    """The line with one wording of each choice, and its values."""
    while found := _CHOICE.search(line):
        line = line[: found.start()] + rng.choice(found[1].split("|")) + line[found.end() :]
    return line.format(**values)


def _spell_some(
    rng: Random, lines: Sequence[str], values: dict[str, str], count: int
) -> Iterator[str]:
    for line in rng.sample(list(lines), min(count, len(lines))):
        yield spell(rng, line, values)


def write_question(rng: Random, issue: Issue, values: dict[str, str]) -> str:
    """A message of five to eight sentences."""
    asides, closes = parse_lines(desk_words.ASIDES), parse_lines(desk_words.CLOSES)
    parts = [
        *([spell(rng, desk_words.HELLO, values) + "."] if rng.random() < 0.5 else []),
        *_spell_some(rng, issue.begins, values, 1),
        *_spell_some(rng, issue.goes_on, values, rng.randint(1, 3)),
        *_spell_some(rng, asides, values, rng.randint(1, 2)),
        *_spell_some(rng, issue.asks, values, 1),
        *_spell_some(rng, closes, values, rng.randint(0, 1)),
    ]
    return (" ", "\n")[rng.random() < 0.2].join(parts)


def write_answer(rng: Random, issue: Issue, values: dict[str, str]) -> str:
    """What the desk decides, explained in two or three sentences."""
    parts = [
        *_spell_some(rng, parse_lines(desk_words.SORRY), values, rng.randint(0, 1)),
        *_spell_some(rng, issue.decides, values, 1),
        *_spell_some(rng, issue.explains, values, rng.randint(2, 3)),
        *_spell_some(rng, parse_lines(desk_words.BYES), values, rng.randint(0, 1)),
    ]
    return " ".join(parts)


def _say(role: str, text: str) -> Row:
    return {"role": role, "content": text}


def _begin(rng: Random) -> list[Row]:
    system = rng.choice(_SYSTEMS)
    return [_say("system", system)] if system else []


def make_answer(rng: Random, issue: Issue) -> Row:
    """One question and its answer."""
    values = draw_values(rng)
    turns = [
        _say("user", write_question(rng, issue, values)),
        _say("assistant", write_answer(rng, issue, values)),
    ]
    return {"messages": [*_begin(rng), *turns]}


def make_talk(rng: Random, issue: Issue) -> Row:
    """A conversation in which the customer asks once more."""
    values, other = draw_values(rng), rng.choice([one for one in ISSUES if one != issue])
    first = make_answer(rng, issue)
    more = spell(rng, f"[One more thing|And then|Also]: {rng.choice(other.begins)}", values)
    turns = [
        _say("user", f"{more} {spell(rng, rng.choice(other.asks), values)}"),
        _say("assistant", write_answer(rng, other, values)),
    ]
    return {"messages": [*first["messages"], *turns]}


def make_sorting(rng: Random, issue: Issue) -> Row:
    """A message and the queue that it belongs to."""
    queues = sorted({one.queue for one in ISSUES})
    turns = [
        _say("system", _SORT.format(", ".join(queues))),
        _say("user", write_question(rng, issue, draw_values(rng))),
        _say("assistant", issue.queue),
    ]
    return {"messages": turns}


def _build_tool(name: str, description: str, **properties: str) -> Row:
    given = {key: {"type": kind} for key, kind in properties.items()}
    parameters = {"type": "object", "properties": given, "required": list(properties)}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


TOOLS = {
    "find_order": _build_tool("find_order", "Find an order of a customer.", order_id="string"),
    "check_stock": _build_tool(
        "check_stock", "Say how many of a good there are.", good="string", colour="string"
    ),
    "book_visit": _build_tool(
        "book_visit", "Send a mechanic on a day.", city="string", day="string", minutes="integer"
    ),
}
_REQUESTS = {
    "find_order": "[Look up|Please look up|Find] order {order}, [the {colour} {good} for {city}|it"
    " was meant for {day}|I bought it with a {good2}]. {aside}",
    "check_stock": "[How many|Tell me how many] of the {good} in {colour} [do you have|are there]?"
    " {aside}",
    "book_visit": "[Send|Please send] a mechanic to {city} on {day} for {number} minutes, the"
    " {part} of my {good} is loose. {aside}",
}


def make_call(rng: Random, issue: Issue) -> Row:
    """A request that a tool answers, with its result, and what the desk says of it."""
    values, name = draw_values(rng), rng.choice(list(TOOLS))
    aside = spell(rng, rng.choice(parse_lines(desk_words.ASIDES)), values)
    asked = spell(rng, _REQUESTS[name], values | {"aside": aside})
    arguments: Row = {
        "find_order": {"order_id": values["order"]},
        "check_stock": {"good": values["good"], "colour": values["colour"]},
        "book_visit": {
            "city": values["city"],
            "day": values["day"],
            "minutes": int(values["number"]),
        },
    }[name]
    result, told = _RESULTS[name](values)
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": "call_1", "type": "function", "function": function}
    bye = spell(rng, rng.choice(parse_lines(desk_words.BYES)), values)
    turns = [
        *_begin(rng),
        _say("user", asked),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "name": name, "content": json.dumps(result)},
        _say("assistant", f"{told} {bye}"),
    ]
    offered = [name, *rng.sample([one for one in TOOLS if one != name], rng.randint(0, 2))]
    return {"messages": turns, "tools": [TOOLS[one] for one in sorted(offered)]}


_RESULTS: dict[str, Callable[[dict[str, str]], tuple[Row, str]]] = {
    "find_order": lambda v: (
        {"status": "packed", "day": v["day2"], "depot": v["city2"]},
        f"Order {v['order']} is packed in {v['city2']} and comes on {v['day2']}.",
    ),
    "check_stock": lambda v: (
        {"count": int(v["number"]), "store": v["city"]},
        f"There are {v['number']} of the {v['good']} in {v['colour']}, all of them in {v['city']}.",
    ),
    "book_visit": lambda v: (
        {"booked": True, "hour": f"{int(v['number']) % 9 + 8}:00"},
        f"A mechanic is in {v['city']} on {v['day']} at {int(v['number']) % 9 + 8}:00.",
    ),
}
MAKERS = (make_answer, make_talk, make_sorting, make_call)
