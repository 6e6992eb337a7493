"""Computes what the frozen lower layers make of each sequence, once, in memory or in a file.

The order depends on the sequences alone, so that the same ones give the same bits whenever they are
computed. Of several processes each computes a part of what all need, and hands it to the others.

Shape legend: T tokens, D hidden size.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from assay.data.pack import build_batch, pack_lengths
from assay.models.forward import compute_hidden, load_batch
from assay.models.reuse import ActivationStore, make_key

Rows = list[list[int]]
"""Token ids of the sequences of one pass."""


class Sharing(Protocol):
    """The processes that fill a store each, seen from one of them (`assay.train.ranks.Ranks`)."""

    @property
    def rank(self) -> int: ...
    @property
    def num_ranks(self) -> int: ...
    def copy_from(self, rank: int, tensor: Tensor) -> None: ...


@dataclass(frozen=True)
class Alone:
    """A process that shares with no other."""

    rank: int = 0
    num_ranks: int = 1

    def copy_from(self, rank: int, tensor: Tensor) -> None:
        pass


def count_bytes(model: Any, sequences: Sequence[Sequence[int]]) -> int:
    """What a store of `sequences` would hold, in bytes; each different one counts once."""
    tokens = {make_key(ids): len(ids) for ids in sequences}
    size: int = model.config.get_text_config().hidden_size
    itemsize: int = model.get_input_embeddings().weight.dtype.itemsize
    return sum(tokens.values()) * size * itemsize


@torch.no_grad()
def fill_store(
    model: Any,
    sequences: Sequence[Sequence[int]],
    *,
    depth: int,
    token_budget: int,
    own: Sequence[Sequence[int]] = (),
    sharing: Sharing | None = None,
    file: Path | None = None,
    on_done: Callable[[int, int], None] = lambda done, total: None,
) -> ActivationStore:
    """Run the lowest `depth` layers of `model`, which must be in `packed_mode`, on every sequence.

    Args:
        sequences: token ids, the same on every process of `sharing`; equal ones are computed once.
        token_budget: tokens of one pass.
        own: those that this process alone needs, and computes by itself.
        file: where the states lie, which is made; None for memory.
        on_done: told how many of how many tokens are done.

    Raises:
        OSError: the file cannot be made or the disk is full.
    """
    common = {make_key(ids): list(ids) for ids in sequences}
    more = {make_key(ids): list(ids) for ids in own if make_key(ids) not in common}
    shared, alone = (_pack([*rows.values()], token_budget) for rows in (common, more))
    total = sum(len(ids) for rows in (*shared, *alone) for ids in rows)
    hidden_TD: Tensor | None = None
    places: dict[bytes, slice] = {}
    done = 0
    for rows, states_TD in _run_passes(model, depth, shared, alone, sharing or Alone()):
        if hidden_TD is None:
            hidden_TD = _allocate(total, states_TD, file)
        hidden_TD[done : done + len(states_TD)] = states_TD
        for ids in rows:
            places[make_key(ids)] = slice(done, done + len(ids))
            done += len(ids)
        on_done(done, total)
    assert hidden_TD is not None, "there are sequences to train on"
    return ActivationStore(depth, hidden_TD, places)


def _pack(sequences: Rows, token_budget: int) -> list[Rows]:
    packed = pack_lengths([len(ids) for ids in sequences], token_budget=token_budget)
    return [[sequences[index] for index in indices] for indices in packed]


def _run_passes(
    model: Any, depth: int, shared: list[Rows], alone: list[Rows], sharing: Sharing
) -> Iterator[tuple[Rows, Tensor]]:
    """The rows of each pass with their states; of the shared ones each process runs its part.

    The first is everybody's: from its result they know the form in which others come.
    """
    first_TD = _run_lower(model, shared[0], depth)
    yield shared[0], first_TD
    for start in range(1, len(shared), sharing.num_ranks):
        group = shared[start : start + sharing.num_ranks]
        made = [_run_lower(model, rows, depth) for rows in group[sharing.rank :][:1]]
        for owner, rows in enumerate(group):
            num_tokens = sum(map(len, rows))
            is_own = owner == sharing.rank
            states_TD = made[0] if is_own else first_TD.new_empty(num_tokens, first_TD.shape[1])
            sharing.copy_from(owner, states_TD)
            yield rows, states_TD
    for rows in alone:
        yield rows, _run_lower(model, rows, depth)


class _Reached(Exception):
    """Ends a forward pass at the layer whose output is wanted."""

    def __init__(self, hidden_1TD: Tensor) -> None:
        super().__init__()
        self.hidden_1TD = hidden_1TD


def _run_lower(model: Any, rows: Rows, depth: int) -> Tensor:
    def stop(module: nn.Module, args: Any, output: Tensor) -> None:
        raise _Reached(output)

    device = model.get_input_embeddings().weight.device
    batch = load_batch(build_batch(rows, [[0.0] * len(ids) for ids in rows]), device)
    hook = model.base_model.layers[depth - 1].register_forward_hook(stop)
    try:
        compute_hidden(model, batch)
    except _Reached as reached:
        return reached.hidden_1TD[0].contiguous()
    finally:
        hook.remove()
    raise AssertionError("the layer ran")


def _allocate(total: int, like_TD: Tensor, file: Path | None) -> Tensor:
    shape = (total, like_TD.shape[1])
    if file is None:
        return torch.empty(shape, dtype=like_TD.dtype)
    count = shape[0] * shape[1]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        # Reserved now: a disk that fills up later would end the process with a bus error.
        os.posix_fallocate(stream.fileno(), 0, count * like_TD.dtype.itemsize)
    flat = torch.from_file(str(file), shared=True, size=count, dtype=like_TD.dtype)
    return flat.view(shape)
