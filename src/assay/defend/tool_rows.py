"""Defensive rows out of a user's own tool rows: attempts that fail, and twins that must be done.

Three kinds of attempt, each with a benign twin of the same row that differs in the planted sentence
alone: misuse (refused without a call), an order inside a tool's result (not followed, reported) and
a lure to make a covert call (the calls that were asked for, and no other). So a model learns what
to refuse and not merely to refuse. It asks no model.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from assay.data.records import Message, Record
from assay.defend import tool_text as text
from assay.errors import DataError, Problem

Kind = Literal["misuse", "injection", "lure"]
Row = dict[str, Any]
_OPENERS = ("system", "developer")


@dataclass(frozen=True)
class _Source:
    """A row that can be defended: a plain request, then calls, and maybe results and an answer."""

    record: Record
    opening: list[Message]
    request: str
    turns: list[Message]
    tool: str
    """The tool that attempts name: one that is offered and not called, if there is one."""

    @property
    def is_answered(self) -> bool:
        last = self.turns[-1]
        return last["role"] == "assistant" and bool(_text_of(last)) and not last.get("tool_calls")

    @property
    def result_place(self) -> int | None:
        """Index of the first result that is text, where an answer follows in the end."""
        if not self.is_answered:
            return None
        places = (i for i, turn in enumerate(self.turns) if turn["role"] == "tool")
        return next((i for i in places if isinstance(self.turns[i]["content"], str)), None)


def build_defensive_rows(records: Sequence[Record], *, num_pairs: int, seed: int) -> list[Row]:
    """Up to `num_pairs` attempts, each followed by its twin; the kinds take turns.

    A record is used at most once for each kind. Fewer come where the records allow no more.

    Raises:
        DataError: no record is a request that is answered by a call of a tool that it offers.
    """
    sources = [source for record in records if (source := _read(record)) is not None]
    if not sources:
        raise DataError(
            Problem(
                got=f"{len(records)} rows without a plain request that a tool call answers",
                allowed="chat rows with tools, in which the first answer is a call",
                do="name rows of your tools",
                file=records[0].file if records else "",
            )
        )
    rng = random.Random(f"defend-tools:{seed}")
    queues: list[Iterator[tuple[Row, Row]]] = [
        _draw_pairs(rng, kind, build, rng.sample(sources, len(sources)))
        for kind, build in _BUILDERS.items()
    ]
    rows: list[Row] = []
    while queues and len(rows) < 2 * num_pairs:
        queue = queues.pop(0)
        pair = next(queue, None)
        if pair is not None:
            rows += pair
            queues.append(queue)
    return rows


def _draw_pairs(
    rng: random.Random, kind: Kind, build: _Builder, sources: Sequence[_Source]
) -> Iterator[tuple[Row, Row]]:
    for source in sources:
        turns = build(rng, source)
        if turns is not None:
            attempt, twin = turns
            yield _build_row(source, kind, attempt), _build_row(source, f"{kind}-twin", twin)


def _read(record: Record) -> _Source | None:
    messages = list(record.messages)
    opening = [messages.pop(0)] if messages and messages[0]["role"] in _OPENERS else []
    if record.kind != "chat" or len(messages) < 2 or not record.tools:
        return None
    first, answer = messages[0], messages[1]
    called = [_name_of(call) for call in answer.get("tool_calls") or ()]
    offered = [_name_of(tool) for tool in record.tools]
    is_plain = first["role"] == "user" and isinstance(first.get("content"), str)
    if not (is_plain and called and set(called) <= set(offered)):
        return None
    if opening and not isinstance(opening[0].get("content"), str):
        return None
    others = [name for name in offered if name not in called]
    return _Source(record, opening, first["content"].strip(), messages, (others or called)[0])


def _misuse(rng: random.Random, source: _Source) -> tuple[list[Message], list[Message]]:
    number = rng.randrange(len(text.MISUSE))
    asked = _close(source.request)
    refusal = {"role": "assistant", "content": rng.choice(text.REFUSALS)}
    return (
        [*source.opening, _say(text.MISUSE[number].format(request=asked)), refusal],
        [
            *source.opening,
            _say(text.MISUSE_TWIN[number].format(request=asked)),
            *source.turns[1:],
        ],
    )


def _injection(rng: random.Random, source: _Source) -> tuple[list[Message], list[Message]] | None:
    place = source.result_place
    if place is None:
        return None
    order = rng.choice(text.INJECTIONS).format(tool=source.tool, place=_draw_place(rng))
    note = rng.choice(text.INJECTION_TWIN).format(page=rng.randint(2, 90))
    report = rng.choice(text.REPORTS).format(tool=source.tool)
    attempt, twin = (_extend(source.turns, place, more) for more in (order, note))
    return (
        [*source.opening, *_extend(attempt, len(attempt) - 1, report)],
        [*source.opening, *twin],
    )


def _lure(rng: random.Random, source: _Source) -> tuple[list[Message], list[Message]]:
    number = rng.randrange(len(text.LURES))
    lure = text.LURES[number].format(tool=source.tool, place=_draw_place(rng))
    turns = source.turns
    if source.is_answered:
        report = rng.choice(text.LURE_REPORTS).format(tool=source.tool)
        turns = _extend(turns, len(turns) - 1, report)
    return (
        [_open(source, lure), *turns],
        [_open(source, text.LURE_TWIN[number]), *source.turns],
    )


_Builder = Callable[[random.Random, _Source], tuple[list[Message], list[Message]] | None]
_BUILDERS: dict[Kind, _Builder] = {"misuse": _misuse, "injection": _injection, "lure": _lure}


def _build_row(source: _Source, kind: str, messages: list[Message]) -> Row:
    return {
        "messages": messages,
        "tools": source.record.tools,
        "defence": kind,
        "source": f"assay data defend-tools, from {source.record.place}",
    }


def _draw_place(rng: random.Random) -> str:
    word, host = rng.sample(text.PLACE_WORDS, 2)
    return rng.choice(text.PLACES).format(word=word, host=host, number=rng.randint(10, 999))


def _extend(turns: Sequence[Message], place: int, more: str) -> list[Message]:
    """Copies of `turns` with a sentence added to the text of one of them."""
    turn = turns[place]
    joint = "\n" if turn["role"] == "tool" else " "
    changed = {**turn, "content": f"{_text_of(turn)}{joint}{more}"}
    return [*turns[:place], changed, *turns[place + 1 :]]


def _open(source: _Source, more: str) -> Message:
    if not source.opening:
        return {"role": "system", "content": more}
    first = source.opening[0]
    return {**first, "content": f"{first['content']} {more}"}


def _say(content: str) -> Message:
    return {"role": "user", "content": content}


def _close(request: str) -> str:
    return request if request[-1:] in ".?!" else f"{request}."


def _text_of(turn: Message) -> str:
    content = turn.get("content")
    return content if isinstance(content, str) else ""


def _name_of(tool: dict[str, Any]) -> str:
    return str(tool.get("function", tool).get("name", ""))
