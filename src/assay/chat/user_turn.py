"""The last user turn of a conversation as tokens: the prompt that ends with it, and its own part.

What follows the turn (calls, their results) is left out, so that a conversation is looked at alike
until the user speaks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.chat.messages import Message, Tool
from assay.chat.render import render_prompt
from assay.chat.tokenizer import ChatTokenizer

_OTHER = "\u2042"
"""Stands in for the turn's text: what both renderings share lies before or after it."""


@dataclass(frozen=True)
class UserTurn:
    """Token ids of a prompt, of which those in [start, end) are the user's own text; never none."""

    input_ids: list[int]
    start: int
    end: int

    @property
    def mask(self) -> list[float]:
        """1 for each token of the turn's own text, else 0."""
        inside = range(self.start, self.end)
        return [float(place in inside) for place in range(len(self.input_ids))]


def find_user_turn(
    tokenizer: ChatTokenizer, messages: Sequence[Message], *, tools: Sequence[Tool] | None = None
) -> UserTurn:
    """The last user turn; without one in them the messages are looked at whole.

    Raises:
        DataError: no messages, or messages that the template refuses.
        ConfigError: the base has no template.
    """
    places = [place for place, message in enumerate(messages) if message.get("role") == "user"]
    if not places:
        return as_turn(render_prompt(tokenizer, messages, tools=tools))
    before, turn = messages[: places[-1]], messages[places[-1]]
    ids = render_prompt(tokenizer, [*before, turn], tools=tools)
    other = render_prompt(tokenizer, [*before, {**turn, "content": _OTHER}], tools=tools)
    start = _count_common(ids, other)
    end = len(ids) - _count_common(ids[start:][::-1], other[start:][::-1])
    # An empty turn has no tokens of its own; the last one has read it.
    return UserTurn(ids, start, end) if start < end else UserTurn(ids, len(ids) - 1, len(ids))


def as_turn(input_ids: Sequence[int]) -> UserTurn:
    """A prompt without a template, all of which is the user's."""
    return UserTurn(list(input_ids), 0, len(input_ids))


def _count_common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
