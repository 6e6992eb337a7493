"""Server-sent events out of text that comes in pieces: the data of each, comments left out.

Source: WHATWG HTML Living Standard, 9.2.6, "Interpreting an event stream".
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator


async def iterate_events(pieces: AsyncIterable[str]) -> AsyncIterator[str]:
    """The data of each event; one that was not ended by an empty line is left out."""
    data: list[str] = []
    async for line in _iterate_lines(pieces):
        name, _, value = line.partition(":")
        if not line:
            if data:
                yield "\n".join(data)
            data = []
        elif name == "data":
            data.append(value.removeprefix(" "))


async def _iterate_lines(pieces: AsyncIterable[str]) -> AsyncIterator[str]:
    """Lines as the standard ends them: other marks of Unicode, which JSON may hold, end none."""
    held = ""
    async for piece in pieces:
        held += piece
        # A carriage return at the end may be half of an end of line.
        whole = held[:-1] if held.endswith("\r") else held
        kept = held[len(whole) :]
        *lines, rest = whole.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        held = rest + kept
        for line in lines:
            yield line
    if held.endswith("\r"):
        yield held[:-1]
