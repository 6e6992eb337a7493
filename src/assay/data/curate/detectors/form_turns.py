"""The order of a conversation's turns: who may speak after whom, and calls without results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from assay.data.curate.batch import Batch
from assay.data.curate.detector import Detector
from assay.data.curate.finding import Hit, Rule, Span
from assay.data.curate.settings import Settings
from assay.data.records import Message

TURN_ORDER = Rule(
    "turn_order",
    "form",
    "warning",
    "drop",
    "Turns in an order that most templates refuse or render wrongly: two of the same speaker in a "
    "row, a system prompt in the middle, an assistant that speaks first.",
    options={"assistant_first": False},
)
MISSING_TOOL_RESULT = Rule(
    "missing_tool_result",
    "form",
    "warning",
    "drop",
    "A tool call after which the conversation goes on without the tool's result.",
)

_SYSTEMS = ("system", "developer")


class Misplaced(NamedTuple):
    """What is wrong with the turn at a place, and by which rule."""

    rule: str
    place: int
    evidence: str


@lru_cache(maxsize=4096)
def find_misplaced(turns: tuple[tuple[str, int], ...]) -> tuple[Misplaced, ...]:
    """What is wrong with the order of turns, each a role and its number of tool calls."""
    return tuple(_iterate_misplaced(turns))


def _iterate_misplaced(turns: tuple[tuple[str, int], ...]) -> Iterator[Misplaced]:
    before, waiting, begun = "", 0, False
    for index, (role, calls) in enumerate(turns):
        if role == "tool":
            if before not in ("assistant", "tool") or waiting <= 0:
                yield Misplaced(TURN_ORDER.name, index, "a tool's result that follows no call")
        elif waiting > 0:
            told = f"{waiting} of the calls before have no result when the {role} speaks"
            yield Misplaced(MISSING_TOOL_RESULT.name, index, told)
        elif role in _SYSTEMS and begun:
            yield Misplaced(TURN_ORDER.name, index, f"a {role} prompt in the middle")
        elif role == before:
            yield Misplaced(TURN_ORDER.name, index, f"two {role} turns in a row")
        elif role == "assistant" and not begun:
            yield Misplaced(TURN_ORDER.name, index, "the assistant speaks first")
        waiting = waiting - 1 if role == "tool" else calls
        before, begun = role, begun or role not in _SYSTEMS


def read_turns(messages: list[Message]) -> tuple[tuple[str, int], ...]:
    """Role and number of tool calls of each message."""
    return tuple((one["role"], len(one.get("tool_calls", ()))) for one in messages)


def scan(batch: Batch, settings: Settings) -> Iterable[Hit]:
    """Hits of the rules of this module, in conversations alone."""
    may_begin = settings.option(TURN_ORDER.name, "assistant_first")
    for row in batch.rows:
        if row.record.kind != "chat":
            continue
        for rule, index, evidence in find_misplaced(read_turns(row.record.messages)):
            if may_begin and evidence == "the assistant speaks first":
                continue
            role = row.record.messages[index]["role"]
            yield Hit(
                row.number, rule, evidence, Span(f"messages[{index}].role", 0, len(role), role)
            )


DETECTORS = (Detector("form_turns", (TURN_ORDER, MISSING_TOOL_RESULT), scan=scan),)
