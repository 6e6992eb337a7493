"""A system prompt put into conversations that are tokens already, as the template would put it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.chat.render import render_prompt
from assay.chat.tokenizer import ChatTokenizer
from assay.errors import ConfigError, Problem

_PROBES = ("a", "1 b", "\nc", "Übung, d?")
"""Questions that begin in different ways: a prompt that melts into them shows."""


@dataclass(frozen=True)
class SystemPrompt:
    """What a system prompt changes of a conversation without one.

    Attributes:
        guard: how every such conversation begins, up to its first message's text.
        start: where the change is.
        num_removed: tokens that go, as those of a template's own system prompt.
        inserted: tokens that come in their place.
    """

    guard: tuple[int, ...]
    start: int
    num_removed: int
    inserted: tuple[int, ...]

    @property
    def num_added(self) -> int:
        """By how much a conversation grows, in tokens."""
        return len(self.inserted) - self.num_removed

    def fits(self, input_ids: Sequence[int]) -> bool:
        """Whether the conversation begins as one without a system prompt (and tools) does."""
        return tuple(input_ids[: len(self.guard)]) == self.guard

    def put_into(self, input_ids: Sequence[int]) -> list[int]:
        """The conversation with the prompt."""
        rest = input_ids[self.start + self.num_removed :]
        return [*input_ids[: self.start], *self.inserted, *rest]


def find_system_prompt(tokenizer: ChatTokenizer, text: str) -> SystemPrompt:
    """How the template puts the system prompt `text` before a user's message.

    Raises:
        ConfigError: the base has no template, or its template does not put a system prompt at one
            place whatever follows.
    """
    system = {"role": "system", "content": text}
    pairs = []
    for probe in _PROBES:
        user = {"role": "user", "content": probe}
        plain, full = (render_prompt(tokenizer, rows) for rows in ([user], [system, user]))
        pairs.append((plain, full))
    guard = _common_start([plain for plain, _ in pairs])
    plain, full = pairs[0]
    start = min(_common_start_length(plain, full), len(guard))
    most = min(len(plain), len(full)) - start
    end = min(_common_start_length(plain[::-1], full[::-1]), most)
    found = SystemPrompt(
        tuple(guard), start, len(plain) - end - start, tuple(full[start : len(full) - end])
    )
    is_one_place = start + found.num_removed <= len(guard)
    if is_one_place and all(found.put_into(one) == other != one for one, other in pairs):
        return found
    raise ConfigError(
        Problem(
            got="a system prompt that the template of this base melts into what follows, or drops",
            allowed="one on bases whose template puts it before the conversation",
            do="leave it out, or write the teacher's answers first: assay data distil --system",
        )
    )


def _common_start(rows: Sequence[list[int]]) -> list[int]:
    first, *others = rows
    return first[: min(_common_start_length(first, other) for other in others)]


def _common_start_length(one: Sequence[int], other: Sequence[int]) -> int:
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
