"""Keys and values of the rows that are being decoded, each row in a slot of its own.

Slots of one size stand together on a shelf, so that attention runs over them as they lie, without
copying, and a long row makes no room of short ones its own: a slot has at most twice the tokens
that its row needs, or `LEAST_SLOT`. A row that outgrows its slot moves to a larger one.

Shape legend: B rows, n rows of a shelf, L layers, S slots, K key heads, C tokens of a slot,
T tokens, E head size.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

LEAST_SLOT = 256
LOOK_AHEAD = 32
"""Tokens for which a row finds room in its first slot."""
_STRIDE = 16
"""Attention sees whole multiples of so many tokens, all else masked."""

RowT = TypeVar("RowT")


@dataclass(frozen=True)
class StateShape:
    """Of the keys, and of the values, of one token; and the sliding windows that layers have."""

    num_layers: int
    num_heads: int
    head_size: int
    dtype: torch.dtype
    device: torch.device
    windows: frozenset[int | None]


class Shelf(Generic[RowT]):
    """Slots of `size` tokens; the rows stand in the first n of them, in the order of `rows`."""

    def __init__(self, shape: StateShape, size: int, num_slots: int) -> None:
        self.shape, self.size = shape, size
        self.rows: list[RowT] = []
        self.lengths: list[int] = []
        self._make(num_slots)

    def _make(self, num_slots: int) -> None:
        shape, device = self.shape, self.shape.device
        num_heads = shape.num_heads
        sizes = (shape.num_layers, 2, num_slots, num_heads, self.size, shape.head_size)
        # Zeros: what is masked is still multiplied, and must be finite.
        self.states = torch.zeros(sizes, dtype=shape.dtype, device=device)
        self.masks = {
            window: torch.zeros(num_slots, num_heads, self.size, dtype=shape.dtype, device=device)
            for window in shape.windows
        }
        self.num_slots = num_slots
        heads = num_slots * num_heads
        starts = torch.arange(0, heads * self.size, self.size, device=device)
        self._starts_SK = starts.view(num_slots, num_heads)

    def add(self, row: RowT, states_L2KTE: Tensor) -> None:
        """Give `row` a slot with the states of its T tokens."""
        if len(self.rows) == self.num_slots:
            self._grow()
        place, length = len(self.rows), states_L2KTE.shape[3]
        self.states[:, :, place, :, :length] = states_L2KTE
        self.rows.append(row)
        self.lengths.append(length)
        self._mask(place)

    def remove(self, place: int) -> None:
        """Let go of a row; the last one takes its slot."""
        last, length = len(self.rows) - 1, self.lengths[-1]
        if place != last:
            self.states[:, :, place, :, :length] = self.states[:, :, last, :, :length]
            self.rows[place], self.lengths[place] = self.rows[last], length
            self._mask(place)
        self.rows.pop()
        self.lengths.pop()

    def advance(self) -> Segment:
        """Make room for one more token of each row, and tell where it goes and what it sees."""
        num, size = len(self.rows), self.size
        device = self.shape.device
        at_n = torch.tensor(self.lengths, device=device)
        key_nK = self._starts_SK[:num] + at_n[:, None]
        for window, mask in self.masks.items():
            mask.view(-1).index_fill_(0, key_nK.view(-1), 0.0)
            if window is not None and max(self.lengths) >= window:
                left = [i for i, length in enumerate(self.lengths) if length >= window]
                gone = (key_nK[left] - window).view(-1)
                mask.view(-1).index_fill_(0, gone, float("-inf"))
        self.lengths = [length + 1 for length in self.lengths]
        seen = min(size, -(-max(self.lengths) // _STRIDE) * _STRIDE)
        return Segment(
            self.states,
            {w: m[:num].flatten(0, 1)[:, None, :seen] for w, m in self.masks.items()},
            torch.cat([key_nK, key_nK + self._starts_SK.numel() * size], 1).view(-1),
            num,
            seen,
        )

    def _grow(self) -> None:
        states, masks, num = self.states, self.masks, self.num_slots
        self._make(2 * num)
        self.states[:, :, :num] = states
        for window, mask in masks.items():
            self.masks[window][:num] = mask

    def _mask(self, place: int) -> None:
        length = self.lengths[place]
        for window, mask in self.masks.items():
            first = 0 if window is None else max(0, length - window)
            mask[place] = float("-inf")
            mask[place, :, first:length] = 0.0


@dataclass(frozen=True)
class Segment:
    """The rows of one shelf at one step.

    Attributes:
        states: keys and values of all slots, (L, 2, S, K, C, E).
        masks: by window, what to add to the scores, (n * K, 1, seen).
        places: where the step's keys and values go among the states' rows of E in one layer: of
            each row first K of keys, then K of values.
        num: rows.
        seen: tokens that attention runs over.
    """

    states: Tensor
    masks: dict[int | None, Tensor]
    places: Tensor
    num: int
    seen: int

    def attend(
        self, layer: int, query_nHE: Tensor, kv_nXE: Tensor, *, scale: float, window: int | None
    ) -> Tensor:
        """Keep the new keys and values (X = 2 K), and attend: shape (n, H * E)."""
        states = self.states[layer]
        size = states.shape[-1]
        states.view(-1, size).index_copy_(0, self.places, kv_nXE.reshape(-1, size))
        key, value = (x[: self.num].flatten(0, 1)[:, : self.seen] for x in states.unbind())
        query = query_nHE.reshape(len(key), -1, size)
        if key.dtype != torch.float32:
            mask = self.masks[window]
            out = torch.nn.functional.scaled_dot_product_attention(
                query, key, value, attn_mask=mask.expand(-1, query.shape[1], -1), scale=scale
            )
            return out.view(self.num, -1)
        scores = torch.baddbmm(self.masks[window], query, key.transpose(1, 2), alpha=scale)
        return torch.bmm(scores.softmax(-1), value).view(self.num, -1)


class SlotCache(Generic[RowT]):
    """All shelves. `rows` are in the order in which a step has them, once they have settled."""

    def __init__(self, shape: StateShape) -> None:
        self._shape = shape
        self._shelves: dict[int, Shelf[RowT]] = {}

    @property
    def rows(self) -> list[RowT]:
        return [row for shelf in self._ordered() for row in shelf.rows]

    @property
    def num_tokens(self) -> int:
        """Tokens that there is room for, in all slots."""
        return sum(shelf.num_slots * shelf.size for shelf in self._shelves.values())

    def add(self, row: RowT, states_L2KTE: Tensor, *, room: int) -> None:
        """Admit a row that may grow by `room` tokens."""
        wanted = states_L2KTE.shape[3] + max(1, min(room, LOOK_AHEAD))
        self._shelf(wanted).add(row, states_L2KTE)

    def remove(self, rows: Collection[RowT]) -> None:
        """Let go of `rows` (the same objects)."""
        gone = {id(row) for row in rows}
        for shelf in self._ordered():
            for place in reversed(range(len(shelf.rows))):
                if id(shelf.rows[place]) in gone:
                    shelf.remove(place)
        self._clear()

    def settle(self) -> list[RowT]:
        """Move rows that fill their slots to larger ones; gives `rows` as a step then has them."""
        for shelf in self._ordered():
            for place in reversed(range(len(shelf.rows))):
                if shelf.lengths[place] == shelf.size:
                    row, states = shelf.rows[place], shelf.states[:, :, place]
                    self._shelf(shelf.size + 1).add(row, states)
                    shelf.remove(place)
        self._clear()
        return self.rows

    def advance(self) -> tuple[list[int], list[Segment]]:
        """The position of each row's new token, and the segments, once rows have settled."""
        shelves = self._ordered()
        positions = [length for shelf in shelves for length in shelf.lengths]
        return positions, [shelf.advance() for shelf in shelves]

    def _shelf(self, num_tokens: int) -> Shelf[RowT]:
        size = max(LEAST_SLOT, 1 << (num_tokens - 1).bit_length())
        if size not in self._shelves:
            self._shelves[size] = Shelf(self._shape, size, num_slots=1)
        return self._shelves[size]

    def _ordered(self) -> Sequence[Shelf[RowT]]:
        return [self._shelves[size] for size in sorted(self._shelves)]

    def _clear(self) -> None:
        self._shelves = {size: s for size, s in self._shelves.items() if s.rows}
