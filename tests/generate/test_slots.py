"""Slots of keys and values: attention as written out, whatever rows come, grow and leave."""

import random

import pytest
import torch
from torch import Tensor

from assay.generate import slots
from assay.generate.slots import SlotCache, StateShape

LAYERS, KEYS, HEADS, SIZE, WINDOW = 2, 2, 4, 8, 5
SCALE = 0.3


class Reference:
    """Each row's keys and values, end to end: (L, 2, K, T, E)."""

    def __init__(self, num: int, generator: torch.Generator) -> None:
        self.states = torch.randn(LAYERS, 2, KEYS, num, SIZE, generator=generator)

    def attend(self, layer: int, query_HE: Tensor, window: int | None) -> Tensor:
        key, value = self.states[layer].repeat_interleave(HEADS // KEYS, 1)
        if window:
            key, value = key[:, -window:], value[:, -window:]
        weights = (torch.einsum("he,hte->ht", query_HE, key) * SCALE).softmax(-1)
        return torch.einsum("ht,hte->he", weights, value).flatten()


def make_cache(dtype: torch.dtype = torch.float32) -> SlotCache[Reference]:
    windows = frozenset({None, WINDOW})
    return SlotCache(StateShape(LAYERS, KEYS, SIZE, dtype, torch.device("cpu"), windows))


def step(cache: SlotCache[Reference], generator: torch.Generator, tolerance: float = 1e-5) -> None:
    rows = cache.settle()
    positions, segments = cache.advance()
    assert positions == [row.states.shape[3] for row in rows]
    new = torch.randn(LAYERS, len(rows), HEADS + 2 * KEYS, SIZE, generator=generator)
    for number, row in enumerate(rows):
        own = new[:, number, HEADS:].view(LAYERS, 2, KEYS, 1, SIZE)
        row.states = torch.cat([row.states, own], 3)
    for layer, window in enumerate((None, WINDOW)):
        start = 0
        for segment in segments:
            part = new[layer, start : start + segment.num].to(segment.states.dtype)
            found = segment.attend(
                layer, part[:, :HEADS], part[:, HEADS:], scale=SCALE, window=window
            )
            for number, row in enumerate(rows[start : start + segment.num]):
                expected = row.attend(layer, new[layer, start + number, :HEADS], window)
                torch.testing.assert_close(
                    found[number].float(), expected, atol=tolerance, rtol=tolerance
                )
            start += segment.num
        assert start == len(rows)


@pytest.mark.parametrize("seed", range(6))
def test_rows_come_grow_move_and_leave(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "LEAST_SLOT", 8)
    monkeypatch.setattr(slots, "LOOK_AHEAD", 3)
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    cache = make_cache()
    for _ in range(60):
        while len(cache.rows) < 2 or (len(cache.rows) < 7 and rng.random() < 0.3):
            row = Reference(rng.choice([1, 2, 7, 8, 9, 30]), generator)
            cache.add(row, row.states, room=rng.randrange(1, 50))
        step(cache, generator)
        if rng.random() < 0.3:
            cache.remove(rng.sample(cache.rows, rng.randint(1, len(cache.rows))))
    cache.remove(cache.rows)
    assert cache.num_tokens == 0


def test_half_precision_attends_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    cache = make_cache(torch.bfloat16)
    for num in (3, 20):
        row = Reference(num, generator)
        cache.add(row, row.states.bfloat16(), room=9)
    step(cache, generator, tolerance=5e-2)


def test_a_long_row_makes_no_room_of_short_ones_its_own() -> None:
    generator = torch.Generator().manual_seed(0)
    cache = make_cache()
    long = Reference(3000, generator)
    short = [Reference(20, generator) for _ in range(15)]
    for row in [long, *short]:
        cache.add(row, row.states, room=1000)
    assert cache.num_tokens <= 4096 + 16 * 256
    step(cache, generator)
    cache.remove([long])
    assert cache.num_tokens <= 16 * 256
    step(cache, generator)
