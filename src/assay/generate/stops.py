"""Stop strings: finds the first of them in a completion that grows token by token.

It knows tokens by what they decode to alone, so that a string may begin and end inside of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]
_MARGIN = 8
"""Characters at the start of a decoded tail that need not be those of the whole text: a space that
is dropped, or the rest of a character that began before."""


def cut_at_stop(token_ids: Sequence[int], stop: Sequence[str], decode: Decode) -> str | None:
    """The text before the first of `stop`; None where the text has none of them.

    To be asked after each token: it looks for a string that the last token may have completed.
    """
    if not stop or not token_ids:
        return None
    tail = _decode_tail(token_ids, max(map(len, stop)), decode)
    if not any(one in tail for one in stop):
        return None
    text = decode(token_ids)
    places = [place for place in map(text.find, stop) if place >= 0]
    return text[: min(places)] if places else None


def count_open(text: str, stop: Sequence[str]) -> int:
    """Characters at the end of `text` that may be the beginning of one of `stop`."""
    longest = max(map(len, stop), default=1) - 1
    for size in range(min(longest, len(text)), 0, -1):
        if any(one.startswith(text[-size:]) for one in stop):
            return size
    return 0


def _decode_tail(token_ids: Sequence[int], longest: int, decode: Decode) -> str:
    """The end of the text with all that the last token can complete, at little more cost."""
    needed = longest + len(decode(token_ids[-1:])) + _MARGIN
    size = needed
    while size < len(token_ids):
        tail = decode(token_ids[-size:])
        if len(tail) >= needed:
            return tail
        size *= 2
    return decode(token_ids)
