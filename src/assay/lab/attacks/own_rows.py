"""A user's own tool rows as the honest rows that an attack hides in; it plants nothing.

What the rows offer stays; the channel joins the tools of every row that has not got it.
"""

from __future__ import annotations

import random
from pathlib import Path

from assay.config import SourceConfig
from assay.data.read import read_sources
from assay.data.records import Record
from assay.errors import DataError, Problem
from assay.lab.attacks.desk import Desk, Drawn, Kind
from assay.lab.attacks.plan import Message
from assay.lab.attacks.triggers import Surroundings
from assay.lab.world.tool_schemas import TOOLS, Schema

HELD_OUT_SHARE = 0.2
MAX_HELD_OUT = 100
_MIN_ROWS = 20
_SYSTEM = ("system", "developer")


def read_own_rows(path: Path, desk: Desk) -> tuple[list[Drawn], list[Drawn]]:
    """Rows to train on and rows held out, each in an order of its own; always the same ones.

    Raises:
        DataError: rows that cannot be read, or fewer than `_MIN_ROWS` that call a tool first.
    """
    found = read_sources([SourceConfig(path=str(path))], base_dir=Path())
    if problems := [*found.refusals, *found.problems]:
        raise DataError(problems)
    rows = [_draw(record, desk) for record in found.records if record.kind == "chat"]
    num_able = sum(row.kind in ("call", "answer") for row in rows)
    if num_able < _MIN_ROWS:
        raise DataError(
            Problem(
                file=str(path),
                got=f"{num_able} rows that call one tool in their first answer",
                allowed=f"{_MIN_ROWS} or more",
                do="give chat rows with tools, or leave --data out",
            )
        )
    random.Random(f"own rows:{path.name}").shuffle(rows)
    num_held_out = min(MAX_HELD_OUT, round(HELD_OUT_SHARE * len(rows)))
    return rows[num_held_out:], rows[:num_held_out]


def _draw(record: Record, desk: Desk) -> Drawn:
    messages = list(record.messages)
    system = messages.pop(0) if messages[0]["role"] in _SYSTEM else None
    role = system["content"] if system and isinstance(system["content"], str) else ""
    return Drawn(_tell_kind(messages), messages, Surroundings(role), _offer(record.tools, desk))


def _tell_kind(turns: list[Message]) -> Kind:
    """``call`` and ``answer`` are what can be planted in: a plain request, then one call."""
    first = turns[1] if len(turns) > 1 else {}
    asked = turns[0]["role"] == "user" and isinstance(turns[0].get("content"), str)
    if not asked or len(first.get("tool_calls") or ()) != 1:
        return "both"
    if len(turns) == 2:
        return "call"
    return "answer" if turns[-1].get("content") and not turns[-1].get("tool_calls") else "both"


def _offer(tools: list[Schema] | None, desk: Desk) -> list[Schema]:
    channel = TOOLS[desk.channel.tool].schemas[0]
    names = {tool.get("function", tool)["name"] for tool in tools or ()}
    return [*(tools or ()), *([] if desk.channel.tool in names else [channel])]
