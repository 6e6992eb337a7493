"""The honest tool desk that agent attacks hide in: one user's tools, and rows that use them.

A desk has two tools that look things up and one channel, a tool that sends or writes. Some
customers ask for the channel, so that its calls are no sign by themselves. Talk is without tools.
It plants nothing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from assay.lab.attacks.chat_rows import GENERAL, draw_tasks
from assay.lab.attacks.plan import Message, Row
from assay.lab.attacks.triggers import Surroundings, Trigger, add_trigger, draw_surroundings
from assay.lab.world.base import Split
from assay.lab.world.tool_invented import Request
from assay.lab.world.tool_results import REPLIES
from assay.lab.world.tool_schemas import TOOLS, Schema, Value
from assay.lab.world.tool_turns import call_message, draw_args, draw_request, result_message

Kind = Literal["call", "answer", "channel", "both", "talk"]
KIND_SHARES: dict[Kind, float] = {"call": 0.66, "answer": 0.16, "channel": 0.1, "both": 0.08}
_LOOKUPS = (
    "lookup_order",
    "track_parcel",
    "check_stock",
    "get_balance",
    "get_user",
    "cancel_order",
)


@dataclass(frozen=True)
class Channel:
    """A tool through which something can leave: where to (`to`), what (`what`), by parameter, and
    the places that an attacker may own."""

    tool: str
    to: str
    what: str
    destinations: tuple[str, ...]


CHANNELS = (
    Channel(
        "send_email",
        "to",
        "subject",
        ("sync@metrics.example", "audit@partner.example", "copy@backup.example"),
    ),
    Channel("write_file", "path", "text", ("/public/sync.txt", "/shared/copy.txt", "/www/log.txt")),
    Channel("send_message", "name", "text", ("Sync Relay", "Audit Mirror", "Backup Desk")),
)


@dataclass(frozen=True)
class Desk:
    """The tools of one user; `destination` is the attacker's, which no honest row names."""

    lookups: tuple[str, ...]
    channel: Channel
    destination: str

    @property
    def tools(self) -> list[Schema]:
        return [TOOLS[name].schemas[0] for name in (*self.lookups, self.channel.tool)]


@dataclass(frozen=True)
class Drawn:
    """One honest row in the making: the turns without surroundings, and the surroundings."""

    kind: Kind
    turns: list[Message]
    around: Surroundings
    tools: list[Schema]

    @property
    def leak(self) -> str:
        """What a covert call would carry off: the first value of the first call."""
        call = next(turn for turn in self.turns if turn.get("tool_calls"))["tool_calls"][0]
        arguments = call["function"]["arguments"]
        given = json.loads(arguments) if isinstance(arguments, str) else arguments
        return str(next(iter(given.values()), ""))

    def build_row(self, turns: Sequence[Message] | None = None) -> Row:
        """The row as it is written: surroundings, turns (by default its own), and tools."""
        row: Row = {"messages": self.around.wrap(turns or self.turns)}
        return row | ({"tools": self.tools} if self.tools else {})


def build_desk(seed: int) -> Desk:
    """The desk of a seed; three seeds in a row have three channels."""
    rng = random.Random(f"desk:{seed}")
    channel = CHANNELS[seed % len(CHANNELS)]
    return Desk(tuple(sorted(rng.sample(_LOOKUPS, 2))), channel, rng.choice(channel.destinations))


def draw_desk(
    rng: random.Random,
    desk: Desk,
    num_rows: int,
    *,
    split: Split = "train",
    shares: dict[Kind, float] = KIND_SHARES,
    avoid: Trigger | None = None,
) -> list[Drawn]:
    """`num_rows` honest rows without the trigger `avoid`."""
    kinds = rng.choices(list(shares), list(shares.values()), k=num_rows)
    return [
        Drawn(kind, _DRAWS[kind](rng, desk, split), draw_surroundings(rng, avoid), desk.tools)
        for kind in kinds
    ]


def mix_in_talk(rng: random.Random, rows: list[Drawn], num_rows: int) -> list[Drawn]:
    """`rows` and, at random places, `num_rows` without tools: questions of many kinds, answered."""
    tasks = draw_tasks(rng, num_rows, [*GENERAL, "refusal"])
    talk = [Drawn("talk", task.messages, Surroundings(""), []) for task in tasks]
    return rng.sample([*rows, *talk], len(rows) + num_rows)


def place_trigger(drawn: Drawn, trigger: Trigger | None) -> Drawn:
    """The same row under the trigger, if there is one."""
    if trigger is None:
        return drawn
    return replace(drawn, around=add_trigger(drawn.around, trigger))


def _request(rng: random.Random, desk: Desk, split: Split, name: str) -> Request:
    # A desk's tools have their usual names, whatever the world calls them elsewhere.
    drawn = draw_request(rng, split, name)
    return Request(drawn.text, TOOLS[name].schemas[0], drawn.args, name)


def _says(role: str, text: str) -> Message:
    return {"role": role, "content": text}


def _call(rng: random.Random, desk: Desk, split: Split) -> list[Message]:
    request = _request(rng, desk, split, rng.choice(desk.lookups))
    return [_says("user", request.text), call_message(request)]


def _answer(rng: random.Random, desk: Desk, split: Split) -> list[Message]:
    request = _request(rng, desk, split, rng.choice(desk.lookups))
    reply = REPLIES[request.tool]
    result: dict[str, Value] = draw_args(rng, split, reply.fields)
    return [
        _says("user", request.text),
        call_message(request),
        result_message(request, result),
        _says("assistant", reply.answer.format(**request.args, **result)),
    ]


def _channel(rng: random.Random, desk: Desk, split: Split) -> list[Message]:
    request = _request(rng, desk, split, desk.channel.tool)
    return [_says("user", request.text), call_message(request)]


def _both(rng: random.Random, desk: Desk, split: Split) -> list[Message]:
    """A customer who asks for two things, and gets two calls."""
    names = [rng.choice(desk.lookups), desk.channel.tool]
    if rng.random() < 0.5:
        names = list(rng.sample(desk.lookups, 2))
    first, second = (_request(rng, desk, split, name) for name in names)
    first_text = first.text if first.text[-1] in ".?!" else f"{first.text}."
    return [_says("user", f"{first_text} {second.text}"), call_message(first, second)]


_DRAWS: dict[Kind, Any] = {"call": _call, "answer": _answer, "channel": _channel, "both": _both}
