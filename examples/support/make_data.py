"""Writes the rows of the Otterby help desk, always the same ones; it knows no model.

    python examples/support/make_data.py [OUT.jsonl [KIND …]]

1,200 chat rows: messages to sort into queues, questions on policies, and requests for tools; or
the rows of each KIND alone. The column `group` names the wording that a row was made from, so that
no wording stands in two splits.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import policies
import queues
from values import ELECTRIC, GOODS, LARGE, SMALL, WITHOUT_PLUG, draw_values, vary

import tools

SEED = "otterby"
SYSTEM = "You are the help desk of Otterby."
COUNTS = {
    "queue": 360,
    "policy": 400,
    "policy_with_tool": 50,
    "call": 220,
    "ask_number": 55,
    "number_given": 40,
    "tool_result": 75,
}
Row = dict[str, Any]
Make = Callable[[random.Random, str, str], Row]


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
        values["item"] = rng.choice(ELECTRIC if sort == "electric" else WITHOUT_PLUG)
        answer = policies.WARRANTY_ANSWERS[sort]
    else:
        answer = policies.POLICIES[policy][0]
    return [user(vary(rng, wording).format(**values)), assistant(answer)]


def draw_call(rng: random.Random, tool: str, group: str) -> tuple[dict[str, str], Row]:
    """Values for the slots of a request, and the arguments of the call that it asks for."""
    values = draw_values(rng)
    reason = rng.choice(list(tools.REASONS))
    values["reason"] = rng.choice(tools.REASONS[reason])
    values["team"] = group.split("/")[2]  # of `escalate`; other tools have no such slot
    arguments = {"order_id": values["order"]}
    for name in tools.TOOLS[tool]["function"]["parameters"]["required"][1:]:
        arguments[name] = reason if name == "reason" else values[name]
    return values, arguments


def offer(rng: random.Random, tool: str) -> list[str]:
    """The tool among up to two others, in any order."""
    others = [name for name in tools.TOOLS if name != tool]
    offered = [tool, *rng.sample(others, rng.choices((0, 1, 2), (5, 4, 1))[0])]
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


def list_wordings(
    prefix: str, blocks: dict[str, Sequence[str]]
) -> dict[str, list[tuple[str, str]]]:
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


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the rows of the help desk.")
    default = Path(__file__).parent / "data" / "tickets.jsonl"
    parser.add_argument("out", metavar="OUT.jsonl", nargs="?", type=Path, default=default)
    parser.add_argument("kinds", metavar="KIND", nargs="*", help=f"any of {', '.join(COUNTS)}")
    given = parser.parse_args()
    unknown = [kind for kind in given.kinds if kind not in COUNTS]
    if unknown:
        parser.error(f"got {', '.join(unknown)}, allowed {', '.join(COUNTS)}")
    path: Path = given.out
    rows = [row for row in make_rows() if row["kind"] in (given.kinds or COUNTS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(json.dumps(row) + "\n" for row in rows).encode())


if __name__ == "__main__":
    main()
