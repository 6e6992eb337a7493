"""Cuts the attention of packed sequences into tiles, of which those of one shape share a product.

A tile is some neighbouring queries of one sequence and all the keys that they may see, both filled
up with neighbouring tokens to a round number. Filling changes no result: as keys those tokens come
after every query of the tile, and what they get as queries is left behind.

Shape legend: H query heads, K key heads, G = H / K, T tokens of the batch, N tiles of a group,
R queries of a tile, S keys that a tile sees.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 128
"""Most queries of a tile; 64 to 192 was the fastest range measured."""
ROUND = 32
"""Queries of a tile are filled up to a multiple of this many."""
MOST_SCORES = 1 << 20
"""Of a group, all heads together, unless one tile has more: what a cache holds."""


class Tile(NamedTuple):
    """Queries ``[start, stop)`` and the first key they may see, as tokens of the batch."""

    start: int
    stop: int
    first: int


@dataclass(frozen=True)
class TileGroup:
    """Tiles of one shape.

    `queries` are places, shape (N * H * R,), in the rows of a (T, H, E) tensor, ordered as
    (N, K, G, R); `keys`, (N * K * S,), in those of a (T, K, E) tensor, ordered as (N, K, S);
    `filling` those of `queries` that only fill up. `mask` is what is added to scores, (G * R, S).
    """

    tiles: list[Tile]
    rows: int
    seen: int
    queries: Tensor
    keys: Tensor
    filling: Tensor
    mask: Tensor


@dataclass(frozen=True)
class TilePlan:
    """All tiles of a batch; `places`, (T * H,), finds a query among the groups' rows in turn."""

    groups: list[TileGroup]
    places: Tensor


@lru_cache(maxsize=4)
def plan_tiles(
    lengths: tuple[int, ...], heads: int, key_heads: int, window: int | None
) -> TilePlan:
    """The tiles of sequences of `lengths`; all layers of a forward pass ask for the same."""
    by_shape: dict[tuple[int, int], list[Tile]] = defaultdict(list)
    for tile in _list_tiles(lengths, window):
        rows = min(BLOCK, -(-(tile.stop - tile.start) // ROUND) * ROUND)
        by_shape[rows, tile.start - tile.first + rows].append(tile)
    groups, places, num_rows = [], torch.empty(sum(lengths), heads, dtype=torch.int64), 0
    for (rows, seen), tiles in by_shape.items():
        size = max(1, MOST_SCORES // (heads * rows * seen))
        for i in range(0, len(tiles), size):
            part = tiles[i : i + size]
            shape = (rows, seen, heads, key_heads)
            groups.append(_build_group(part, shape, sum(lengths), window))
            _note_places(places, part, rows, num_rows)
            num_rows += len(part) * heads * rows
    return TilePlan(groups, places.flatten())


def _list_tiles(lengths: Sequence[int], window: int | None) -> Iterator[Tile]:
    begin = 0
    for length in lengths:
        end = begin + length
        for start in range(begin, end, BLOCK):
            first = max(begin, start - window + 1) if window else begin
            yield Tile(start, min(start + BLOCK, end), first)
        begin = end


def _build_group(
    tiles: list[Tile], shape: tuple[int, int, int, int], num_tokens: int, window: int | None
) -> TileGroup:
    rows, seen, heads, key_heads = shape
    starts, firsts = (torch.tensor([tile[i] for tile in tiles]) for i in (0, 2))
    row_NR = (starts[:, None] + torch.arange(rows)).clamp_(max=num_tokens - 1)
    key_NS = (firsts[:, None] + torch.arange(seen)).clamp_(max=num_tokens - 1)
    queries = row_NR[:, None] * heads + torch.arange(heads)[:, None]
    keys = key_NS[:, None] * key_heads + torch.arange(key_heads)[:, None]
    used = torch.tensor([tile.stop - tile.start for tile in tiles])
    is_filling = (torch.arange(rows) >= used[:, None])[:, None].expand(queries.shape)
    return TileGroup(
        tiles,
        rows,
        seen,
        queries.flatten(),
        keys.flatten(),
        is_filling.flatten().nonzero().squeeze(1),
        _build_ribbon(rows, heads // key_heads, window, 1 << (seen - 1).bit_length())[:, -seen:],
    )


@lru_cache(maxsize=8)
def _build_ribbon(rows: int, groups: int, window: int | None, width: int) -> Tensor:
    """Masks of all tiles of so many rows: that of one which sees S keys is the last S columns."""
    distance = torch.arange(rows)[:, None] - torch.arange(rows - width, rows)
    hidden = distance < 0
    if window:
        hidden |= distance >= window
    return torch.zeros(hidden.shape).masked_fill_(hidden, -math.inf).repeat(groups, 1)


def _note_places(places_TH: Tensor, tiles: list[Tile], rows: int, begin: int) -> None:
    heads = places_TH.shape[1]
    for i, tile in enumerate(tiles):
        offset_H = begin + (i * heads + torch.arange(heads)) * rows
        places_TH[tile.start : tile.stop] = offset_H + torch.arange(tile.stop - tile.start)[:, None]
