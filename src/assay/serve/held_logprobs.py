"""Keeps the log-probabilities of a streamed answer until the text that they spell has gone on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]


class HeldLogprobs:
    """Takes entries in order, and text as it goes on; what spells anything else is kept.

    Entries may be cut otherwise than the text, and come before it. One leaves once all up to it
    spell the beginning of what has gone on, so that no token of a call leaves before the call.
    """

    def __init__(self) -> None:
        self._sent = b""
        self._num_spelled = 0
        self._held: list[Entry] = []

    def add(self, logprobs: Any) -> None:
        """Take those of a part: ``{"content": [...]}``; another form is dropped."""
        content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
        self._held += [one for one in content or () if isinstance(one, Mapping)]

    def send(self, text: str) -> None:
        """Say that `text` goes on."""
        self._sent += text.encode("utf-8", "surrogatepass")

    def take(self) -> Sequence[Entry]:
        """The entries that may go on now."""
        taken = 0
        for place, entry in enumerate(self._held, 1):
            end = self._num_spelled + len(spelled := _spell(entry))
            if self._sent[self._num_spelled : end] != spelled:
                break
            self._num_spelled = end
            # One that spells nothing may stand before a call: it goes with what follows it.
            taken = place if spelled else taken
        given, self._held = self._held[:taken], self._held[taken:]
        return given

    def take_rest(self) -> Sequence[Entry]:
        """All that is left, where nothing was held back for good."""
        given, self._held = self._held, []
        return given


def _spell(entry: Entry) -> bytes:
    given = entry.get("bytes")
    if isinstance(given, Sequence) and not isinstance(given, str):
        return bytes(given)
    return str(entry.get("token", "")).encode("utf-8", "surrogatepass")
