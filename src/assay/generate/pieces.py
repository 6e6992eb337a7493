"""Turns tokens into pieces of text as they come; together they are what all tokens decode to."""

from __future__ import annotations

from collections.abc import Sequence

from assay.generate.stops import Decode, count_open

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
_WINDOW = 6
"""Tokens that are decoded again before a new one: how a token reads depends on few before it."""


class Pieces:
    """One completion's text; what may belong to a character or a stop string is held back."""

    def __init__(self, decode: Decode, stop: Sequence[str] = ()) -> None:
        self._decode, self._stop = decode, tuple(stop)
        self._ids: list[int] = []
        self._text = ""
        self._read = 0
        self._shown = 0

    def add(self, token_ids: Sequence[int]) -> str:
        """The next piece, which may be empty."""
        self._ids += token_ids
        start = max(0, self._read - _WINDOW)
        before = self._decode(self._ids[start : self._read])
        now = self._decode(self._ids[start:])
        if now.endswith(_UNFINISHED) or not now.startswith(before):
            return ""
        self._text += now[len(before) :]
        self._read = len(self._ids)
        return self._show(len(self._text) - count_open(self._text, self._stop))

    def end(self, text: str) -> str:
        """What is left of the completion's whole text."""
        piece = text[self._shown :]
        self._shown = len(text)
        return piece

    def _show(self, end: int) -> str:
        piece = self._text[self._shown : end]
        self._shown = max(end, self._shown)
        return piece
