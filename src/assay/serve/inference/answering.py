"""The choices of one request as tokens come to them, whole or as server-sent events.

It knows no form of answer: chat and plain completions say how theirs look.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from assay.serve.errors import ApiError, describe_error
from assay.serve.inference.choices import Choice, Delta, join_deltas
from assay.serve.inference.listening import Heard, Spending, gone
from assay.serve.inference.record import Record

if TYPE_CHECKING:
    from assay.generate.live import Extended

KEEP_ALIVE_S = 15.0
KEEP_ALIVE = b": still waiting\n\n"
_DONE = b"data: [DONE]\n\n"
Usage = Callable[[], dict[str, Any]]
"""Counts what a request has used so far, by OpenAI's names."""


class Answering:
    """One request's choices in the making; what was used is counted however it ends."""

    def __init__(self, choices: Sequence[Choice], count: Usage, spending: Spending) -> None:
        self._choices, self._count, self._spending = choices, count, spending
        self._places = {id(choice.live): place for place, choice in enumerate(choices)}
        self._record = Record.begin([choice.policing for choice in choices], spending)

    async def iterate(
        self, heard: Heard, *, idle_s: float | None = None
    ) -> AsyncGenerator[list[tuple[int, Delta]], None]:
        """What came, by place of the choice, as it comes; nothing after `idle_s` without any.

        Raises:
            ApiError: 500 where a choice failed.
        """
        try:
            async for told in heard.iterate(idle_s=idle_s):
                yield self._take(told)
        finally:
            self._settle()

    async def collect(self, heard: Heard) -> list[Delta]:
        """All of each choice.

        Raises:
            ApiError: 500 where one of them failed; or the client has gone.
        """
        deltas: list[list[Delta]] = [[] for _ in self._choices]
        async with aclosing(self.iterate(heard)) as parts:
            async for part in parts:
                for place, delta in part:
                    deltas[place].append(delta)
        if heard.is_gone:
            raise gone()
        return [join_deltas(own) for own in deltas]

    async def stream(
        self,
        heard: Heard,
        describe: Callable[[int, Delta], Iterable[dict[str, Any]]],
        *,
        last: Callable[[], dict[str, Any]] | None,
    ) -> AsyncGenerator[bytes, None]:
        """Events of what came, then `last` with the usage where it is asked for, then the end.

        A failure is the last event; to a client that has gone nothing more is said.
        """
        try:
            async with aclosing(self.iterate(heard, idle_s=KEEP_ALIVE_S)) as parts:
                async for part in parts:
                    for place, delta in part:
                        for chunk in describe(place, delta):
                            yield render_event(chunk)
                    if not part:
                        yield KEEP_ALIVE
        except ApiError as error:
            yield render_event(describe_error(error))
            return
        if heard.is_gone:
            return
        if last is not None:
            yield render_event(last())
        yield _DONE

    def _take(self, told: Sequence[Extended]) -> list[tuple[int, Delta]]:
        """What came to each choice."""
        parts: dict[int, list[Extended]] = {}
        for one in told:
            if one.error:
                self._record.fail()
                raise ApiError(500, f"The answer failed: {one.error}.", code="generation_failed")
            parts.setdefault(self._places[id(one.live)], []).append(one)
        taken = [(place, self._choices[place].take(own)) for place, own in sorted(parts.items())]
        for place, delta in taken:
            if delta.finish_reason is not None:
                self._record.end(place, delta.decisions)
        return taken

    def _settle(self) -> None:
        self._spending.count(self._count())
        self._record.keep()


def render_event(value: dict[str, Any], *, name: str = "") -> bytes:
    """A server-sent event of one JSON value, under a `name` where the interface has them."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {text}\n\n".encode()
