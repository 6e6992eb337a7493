"""Keeps the states of prompts that were computed, for later ones that begin alike.

Beginnings are found by the hash of whole blocks of tokens and compared token for token. What one
owner computed serves that owner alone: how fast an answer begins would tell others what was asked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

BLOCK = 16
"""Tokens of a block; shorter beginnings are computed again."""


@dataclass(frozen=True)
class Known:
    """The states of a prompt's tokens, and their bytes."""

    owner: Hashable
    token_ids: tuple[int, ...]
    states: Any
    num_bytes: int


class KnownPrefixes:
    """Least recently used prompts leave beyond `most_bytes`."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._num_bytes = 0
        self._kept: OrderedDict[int, tuple[Known, list[Hashable]]] = OrderedDict()
        self._by_block: dict[Hashable, int] = {}
        self._next = 0

    @property
    def num_bytes(self) -> int:
        return self._num_bytes

    def find(self, owner: Hashable, token_ids: Sequence[int]) -> tuple[Known, int] | None:
        """The prompt that begins alike for most blocks, and for how many tokens."""
        found: tuple[int, int] | None = None
        for number, block in enumerate(_iterate_blocks(owner, token_ids), start=1):
            if block not in self._by_block:
                break
            found = (self._by_block[block], number * BLOCK)
        if found is None:
            return None
        place, num = found
        known = self._kept[place][0]
        if known.owner != owner or known.token_ids[:num] != tuple(token_ids[:num]):
            return None
        self._kept.move_to_end(place)
        return known, num

    def add(self, owner: Hashable, token_ids: Sequence[int], states: Any, num_bytes: int) -> None:
        """Keep a prompt's states, unless another begins with all its blocks."""
        blocks = list(_iterate_blocks(owner, token_ids))
        if not blocks or blocks[-1] in self._by_block or num_bytes > self._most_bytes:
            return
        place, self._next = self._next, self._next + 1
        # The newest stands for common beginnings, so that they outlive the prompts before it.
        self._by_block.update(dict.fromkeys(blocks, place))
        self._kept[place] = (Known(owner, tuple(token_ids), states, num_bytes), blocks)
        self._num_bytes += num_bytes
        while self._num_bytes > self._most_bytes:
            self._forget()

    def _forget(self) -> None:
        place, (known, blocks) = self._kept.popitem(last=False)
        self._num_bytes -= known.num_bytes
        for block in blocks:
            if self._by_block.get(block) == place:
                del self._by_block[block]


def _iterate_blocks(owner: Hashable, token_ids: Sequence[int]) -> Iterator[Hashable]:
    """The hash of all tokens up to the end of each whole block."""
    before: int = hash(owner)
    for start in range(0, len(token_ids) - BLOCK + 1, BLOCK):
        before = hash((before, tuple(token_ids[start : start + BLOCK])))
        yield before
