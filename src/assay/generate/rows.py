"""Completions in the making, and what ends them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from assay.generate.choose import choose_tokens
from assay.generate.engine import Drawn, Sampling
from assay.generate.schema import Guide
from assay.generate.stops import Decode, cut_at_stop


@dataclass
class Row:
    """A completion in the making; `text` is known once a stop string has ended it.

    All rows of a task have a `guide`, or none.
    """

    index: int
    prompt: Sequence[int]
    generator: torch.Generator
    max_new_tokens: int
    guide: Guide | None = None
    drawn: list[Drawn] = field(default_factory=list)
    stop_token: Drawn | None = None
    text: str | None = None

    @property
    def token_ids(self) -> list[int]:
        return [one.token_id for one in self.drawn]

    @property
    def is_done(self) -> bool:
        ended = self.stop_token is not None or self.text is not None
        return ended or len(self.drawn) >= self.max_new_tokens

    @property
    def room(self) -> int:
        """Tokens that may still come."""
        return self.max_new_tokens - len(self.drawn)

    def extend(self, token: Drawn, ends: Ends) -> None:
        """Take the next token; a stop token ends the row and is left out."""
        if self.guide is not None:
            self.guide.advance(token.token_id)
        if token.token_id in ends.stop_ids:
            self.stop_token = token
            return
        self.drawn.append(token)
        if ends.stop:
            self.text = cut_at_stop(self.token_ids, ends.stop, ends.decode)


@dataclass(frozen=True)
class Ends:
    """What ends a row: stop tokens, and strings in what `decode` makes of its tokens."""

    stop_ids: frozenset[int]
    stop: tuple[str, ...]
    decode: Decode


@dataclass(frozen=True)
class Task:
    """Rows to be decoded, so many at a time, and how."""

    rows: Sequence[Row]
    batch_size: int
    sampling: Sampling
    ends: Ends

    def extend(self, rows: Sequence[Row], logits_BV: Tensor) -> list[Row]:
        """Draw the next token of each of `rows` from its logits; gives those that ended."""
        guides = [row.guide for row in rows if row.guide is not None]
        allowed_BV = (
            torch.stack([g.allowed(logits_BV.shape[1]) for g in guides]) if guides else None
        )
        generators = [row.generator for row in rows]
        drawn = choose_tokens(logits_BV, generators, self.sampling, allowed_BV)
        for row, token in zip(rows, drawn, strict=True):
            row.extend(token, self.ends)
        return [row for row in rows if row.is_done]
