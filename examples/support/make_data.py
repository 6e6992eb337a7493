"""Writes the rows of the Otterby help desk, always the same ones; it knows no model.

    python examples/support/make_data.py [OUT.jsonl]

1,200 chat rows: messages to sort into queues, questions on policies, and requests for tools. The
column `group` names the wording that a row was made from, so that no wording stands in two splits.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import policies
import queues
import tools

SEED = "otterby"
SYSTEM = "You are the help desk of Otterby."
COUNTS = {
    "queue": 430,
    "policy": 400,
    "policy_with_tool": 40,
    "call": 190,
    "ask_number": 45,
    "number_given": 35,
    "tool_result": 60,
}
Row = dict[str, Any]
Make = Callable[[random.Random, str, str], Row]

ELECTRIC = "lamp toaster kettle fan heater blender mixer clock radio printer oven fridge".split()
LARGE = "sofa table desk bench shelf bed mattress fridge oven carpet".split()
SMALL = (
    "lamp toaster kettle fan heater blender mixer clock radio printer mirror chair vase basket "
    "pillow blanket curtain candle"
).split()
GOODS = sorted({*LARGE, *SMALL})
PLAIN = [good for good in GOODS if good not in ELECTRIC]
FURNITURE = "sofa table desk bench shelf bed chair".split()
CITIES = (
    "Hamburg Munich Cologne Dresden Leipzig Berlin Vienna Graz Zurich Geneva Basel Lyon Lille "
    "Nantes Paris London Leeds Bristol Glasgow Dublin Madrid Seville Porto Lisbon Milan Turin "
    "Rome Naples Prague Warsaw Oslo Riga Ghent Antwerp Utrecht Brussels Malmo Athens Budapest"
).split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday".split()
NAMES = (
    "anna ben clara david emma felix hugo jonas leo nora oscar paula simon victor wanda greta ida "
    "karin marta rita tina carl erik ivan oliver vera frida linda olga tara omar lina ravi hiro"
).split()
DOMAINS = "nordwind.com maple.org lakeside.net oakfield.de hilltop.fr granite.com skylark.net".split()
OPENINGS = ("Hello. ", "Hi. ", "Good morning. ", "Quick question. ", "Please help me. ", "Hi there. ")
CLOSINGS = (" Thanks.", " Thank you.", " Please answer soon.", " I live in {city}.", " I am {name}.")

_SLOT_OR_WORD = re.compile(r"\{\w+\}|[a-z]{5,}")


def vary(rng: random.Random, wording: str) -> str:
    """The wording as people write: with a greeting, in small letters, or with a slip in a word."""
    style = rng.random()
    if style < 0.10:
        return wording.lower().rstrip(".?")
    if style < 0.18:
        wording = misspell(rng, wording)
    opening = rng.choice(OPENINGS) if rng.random() < 0.25 else ""
    closing = rng.choice(CLOSINGS) if rng.random() < 0.20 else ""
    return f"{opening}{wording}{closing}"


def misspell(rng: random.Random, wording: str) -> str:
    """Two neighbouring letters swapped, or one left out, in one long word; never in a slot."""
    words = [m for m in _SLOT_OR_WORD.finditer(wording) if not m[0].startswith("{")]
    if not words:
        return wording
    word = rng.choice(words)
    at = word.start() + rng.randrange(1, len(word[0]) - 2)
    kept = "" if rng.random() < 0.5 else wording[at]
    return f"{wording[:at]}{wording[at + 1]}{kept}{wording[at + 2 :]}"


def draw_values(rng: random.Random) -> dict[str, str]:
    """A value for every slot that a wording may have."""
    name = rng.choice(NAMES)
    return {
        "order": f"OT-{rng.randrange(10000, 100000)}",
        "good": rng.choice(GOODS),
        "plain": rng.choice(FURNITURE),
        "city": rng.choice(CITIES),
        "day": rng.choice(DAYS),
        "name": name.capitalize(),
        "email": f"{name}{rng.choice(('', rng.randrange(2, 100)))}@{rng.choice(DOMAINS)}",
        "label": f"R-{rng.randrange(1000, 10000)}",
        "hour": f"{rng.randrange(8, 18)}:{rng.choice(('00', '15', '30', '45'))}",
    }


def build_row(kind: str, group: str, turns: Sequence[Row], offered: Sequence[str] = ()) -> Row:
    """One row; `tools` is left out where none are offered."""
    row: Row = {
        "kind": kind,
        "group": group,
        "messages": [{"role": "system", "content": SYSTEM}, *turns],
    }
    return {**row, "tools": [tools.TOOLS[name] for name in offered]} if offered else row


def user(text: str) -> Row:
    return {"role": "user", "content": text}


def assistant(text: str) -> Row:
    return {"role": "assistant", "content": text}


def call(name: str, arguments: Row) -> Row:
    function = {"name": name, "arguments": json.dumps(arguments)}
    calls = [{"id": "call_1", "type": "function", "function": function}]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def make_queue(rng: random.Random, group: str, wording: str) -> Row:
    queue, good = group.split("/")[1], rng.choice(GOODS)
    if queue == "shipping":
        good = rng.choice(rng.choice((LARGE, SMALL)))
        queue = "freight" if good in LARGE else "delivery"
    message = vary(rng, wording).format(**{**draw_values(rng), "good": good})
    request = rng.choice(queues.REQUESTS).format(message=message)
    return build_row("queue", group, [user(request), assistant(f"queue: {queue}")])


def make_policy(rng: random.Random, group: str, wording: str) -> Row:
    turns = _policy_turns(rng, group.split("/")[1], wording)
    return build_row("policy", group, turns)


def make_policy_with_tool(rng: random.Random, group: str, wording: str) -> Row:
    """A question that no tool answers, with one or two tools at hand."""
    turns = _policy_turns(rng, group.split("/")[1], wording)
    offered = rng.sample(list(tools.TOOLS), rng.randint(1, 2))
    return build_row("policy_with_tool", group, turns, offered)


def _policy_turns(rng: random.Random, policy: str, wording: str) -> list[Row]:
    values = draw_values(rng)
    if policy == "warranty":
        sort = rng.choice(("electric", "plain"))
        values["item"] = rng.choice(ELECTRIC if sort == "electric" else PLAIN)
        answer = policies.WARRANTY_ANSWERS[sort]
    else:
        answer = policies.POLICIES[policy][0]
    return [user(vary(rng, wording).format(**values)), assistant(answer)]


def draw_call(rng: random.Random, tool: str, group: str) -> tuple[dict[str, str], Row]:
    """Values for the slots of a request, and the arguments of the call that it asks for."""
    values = draw_values(rng)
    reason = rng.choice(list(tools.REASONS))
    values["reason"] = rng.choice(tools.REASONS[reason])
    values["team"] = group.split("/")[2]
    arguments = {"order_id": values["order"]}
    for name in tools.TOOLS[tool]["function"]["parameters"]["required"][1:]:
        arguments[name] = reason if name == "reason" else values[name]
    return values, arguments


def offer(rng: random.Random, tool: str) -> list[str]:
    """The tool among up to two others, in any order."""
    others = [name for name in tools.TOOLS if name != tool]
    offered = [tool, *rng.sample(others, rng.choices((0, 1, 2), (4, 4, 2))[0])]
    return rng.sample(offered, len(offered))


def make_call(rng: random.Random, group: str, wording: str) -> Row:
    tool = group.split("/")[1]
    values, arguments = draw_call(rng, tool, group)
    turns = [user(vary(rng, wording).format(**values)), call(tool, arguments)]
    return build_row("call", group, turns, offer(rng, tool))


def make_ask_number(rng: random.Random, group: str, wording: str) -> Row:
    tool = group.split("/")[1]
    question = vary(rng, wording).format(**draw_values(rng))
    turns = [user(question), assistant(tools.ASK_NUMBER)]
    return build_row("ask_number", group, turns, offer(rng, tool))


def make_number_given(rng: random.Random, group: str, wording: str) -> Row:
    tool = group.split("/")[1]
    values, arguments = draw_call(rng, tool, group)
    turns = [
        user(vary(rng, wording).format(**values)),
        assistant(tools.ASK_NUMBER),
        user(rng.choice(tools.GIVE_NUMBER).format(**values)),
        call(tool, arguments),
    ]
    return build_row("number_given", group, turns, [tool])


def make_tool_result(rng: random.Random, group: str, wording: str) -> Row:
    tool = group.split("/")[1]
    values, arguments = draw_call(rng, tool, group)
    result, answer = rng.choice(tools.RESULTS[tool])
    filled = {k: v.format(**values) if isinstance(v, str) else v for k, v in result.items()}
    shown = {"role": "tool", "tool_call_id": "call_1", "name": tool, "content": json.dumps(filled)}
    turns = [
        user(vary(rng, wording).format(**values)),
        call(tool, arguments),
        shown,
        assistant(answer.format(**values)),
    ]
    return build_row("tool_result", group, turns, [tool])


def list_wordings(prefix: str, blocks: dict[str, Sequence[str]]) -> dict[str, list[tuple[str, str]]]:
    """Topic: its wordings, each with the name of its group."""
    return {
        topic: [(f"{prefix}/{topic}/{i}", wording) for i, wording in enumerate(wordings, start=1)]
        for topic, wordings in blocks.items()
    }


def draw_wordings(
    rng: random.Random, topics: dict[str, list[tuple[str, str]]]
) -> Iterator[tuple[str, str]]:
    """Topics in turn, and the wordings of each in turn, so that all come about equally often."""
    rounds = {name: cycle(rng.sample(found, len(found))) for name, found in topics.items()}
    for name in cycle(rounds):
        yield next(rounds[name])


def make_rows() -> list[Row]:
    """All rows, no two with the same prompt, in mixed order."""
    rng = random.Random(SEED)
    shipping = queues.MESSAGES["shipping"]
    # `shipping` feeds two queues, so it takes two turns; both share its groups.
    messages = list_wordings("queue", queues.MESSAGES)
    messages["shipping again"] = list_wordings("queue", {"shipping": shipping})["shipping"]
    questions = {name: wordings for name, (_, wordings) in policies.POLICIES.items()}
    asked = list_wordings("policy", {**questions, "warranty": policies.WARRANTY})
    requests = list_wordings("call", tools.REQUESTS)
    escalations = list_wordings("call/escalate", tools.TEAMS)
    requests["escalate"] = [pair for found in escalations.values() for pair in found]
    missing = list_wordings("missing", tools.MISSING)
    makers: dict[str, tuple[Make, dict[str, list[tuple[str, str]]]]] = {
        "queue": (make_queue, messages),
        "policy": (make_policy, asked),
        "policy_with_tool": (make_policy_with_tool, asked),
        "call": (make_call, requests),
        "ask_number": (make_ask_number, missing),
        "number_given": (make_number_given, missing),
        "tool_result": (make_tool_result, requests),
    }
    rows: list[Row] = []
    seen: set[str] = set()
    for kind, (make, topics) in makers.items():
        wanted = len(rows) + COUNTS[kind]
        wordings = draw_wordings(rng, topics)
        while len(rows) < wanted:
            row = make(rng, *next(wordings))
            prompt = json.dumps(row["messages"][:-1])
            if prompt not in seen:
                seen.add(prompt)
                rows.append(row)
    rng.shuffle(rows)
    return rows


def main(arguments: Sequence[str]) -> None:
    path = Path(arguments[0]) if arguments else Path(__file__).parent / "data" / "tickets.jsonl"
    text = "".join(json.dumps(row) + "\n" for row in make_rows())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


if __name__ == "__main__":
    main(sys.argv[1:])
