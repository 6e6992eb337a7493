"""The processes that train one model together, seen from one of them; it starts none.

What they exchange is small: sums of numbers, the gradients of weights that each holds whole, and
the wish to stop. Weights that are spread over the processes are `assay.train.shard`'s business.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import NoReturn

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

MAX_WAIT_S = 300.0
"""Longest that one process waits for the others before it gives up, in seconds.

One that dies is noticed at once, since its connections close; this is for one that hangs.
"""
MAX_PREPARE_S = 3600.0
"""Longest that the other ranks wait for the first to prepare what all read, in seconds."""
BUCKET_ELEMENTS = 1 << 24
"""Gradients are summed in float32 buckets of at most about this many elements (64 MiB)."""


@dataclass(frozen=True)
class Ranks:
    """`num_ranks` processes, of which this is number `rank` (from 0).

    `num_local` of them are on this machine, and share its memory.

    Every method but `seed_step` is collective: all ranks call it at the same place.
    """

    rank: int = 0
    num_ranks: int = 1
    num_local: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this rank writes what all have in common."""
        return self.rank == 0

    def sum(self, *values: float) -> tuple[float, ...]:
        """Each value summed over the ranks, in float64; NaN and infinities reach every rank."""
        if self.num_ranks == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total)
        return tuple(total.tolist())

    def max(self, *values: int) -> tuple[int, ...]:
        """The largest of each value among the ranks."""
        if self.num_ranks == 1:
            return values
        largest = torch.tensor(values, dtype=torch.int64)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return tuple(largest.tolist())

    def any(self, *flags: bool) -> bool:
        """Whether one of the flags of one of the ranks is set."""
        return any(self.sum(*map(float, flags))) if self.num_ranks > 1 else any(flags)

    def wait(self) -> None:
        """Return when every rank is here."""
        self.sum(0.0)

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite `tensors` in place by those of rank 0."""
        for tensor in tensors:
            self.copy_from(0, tensor)

    def copy_from(self, rank: int, tensor: Tensor) -> None:
        """Overwrite `tensor` in place by that of `rank`."""
        if self.num_ranks > 1:
            dist.broadcast(tensor.detach(), src=rank)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum the gradients of `parameters`, which every rank holds whole, over the ranks in place.

        A rank without a gradient adds zeros; where no rank has one there is none afterwards either,
        so that an optimizer skips the same parameters as on one process.
        """
        if self.num_ranks == 1:
            return
        whole = [p for p in parameters if not is_sharded(p)]
        if not whole:
            return
        has_gradient = self.sum(*(float(p.grad is not None) for p in whole))
        used = [p for p, count in zip(whole, has_gradient, strict=True) if count]
        for _, bucket in groupby(zip(used, _number_buckets(used), strict=True), lambda x: x[1]):
            _sum_bucket([parameter for parameter, _ in bucket])

    def seed_step(self, seed: int, step: int) -> None:
        """Give this rank random generators of its own for `step`, whatever came before.

        Ranks must not draw the same dropout; and no generator's state has to be kept for each of
        them. A single process keeps the generators it has.
        """
        if self.num_ranks > 1:
            key = f"step:{seed}:{step}:{self.rank}:{self.num_ranks}"
            torch.manual_seed(random.Random(key).getrandbits(63))


ALONE = Ranks()


@contextmanager
def open_ranks(device: torch.device, prepare: Callable[[], str]) -> Iterator[tuple[Ranks, str]]:
    """Join the processes that ``RANK``, ``WORLD_SIZE``, ``MASTER_ADDR`` and ``MASTER_PORT`` name.

    Without these variables this process is alone. Numbers travel by gloo, tensors on a GPU by NCCL.
    `prepare` is called on the first rank alone, before they join; all are given its result.
    """
    num_ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if num_ranks == 1:
        yield ALONE, prepare()
        return
    store, rank, _ = next(rendezvous("env://", timeout=timedelta(seconds=MAX_WAIT_S)))
    if rank == 0:
        store.set("prepared", prepare())
    store.wait(["prepared"], timedelta(seconds=MAX_PREPARE_S))
    prepared = store.get("prepared").decode()
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(
        backend,
        store=store,
        rank=rank,
        world_size=num_ranks,
        timeout=timedelta(seconds=MAX_WAIT_S),
    )
    ranks = Ranks(rank, num_ranks, int(os.environ.get("LOCAL_WORLD_SIZE", num_ranks)))
    try:
        yield ranks, prepared
        ranks.wait()
    finally:
        dist.destroy_process_group()


def end_process(code: int) -> NoReturn:
    """End this process with exit code `code`, without Python's own way out.

    A device mesh keeps gloo's threads to the end, where their destruction now and then aborts.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def is_sharded(tensor: Tensor) -> bool:
    """Whether a tensor is spread over the ranks, each holding a part."""
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


def _number_buckets(parameters: list[nn.Parameter]) -> list[int]:
    """The bucket of each parameter: a new one begins where the one before is full."""
    numbers, filled = [], 0
    for parameter in parameters:
        numbers.append(filled // BUCKET_ELEMENTS)
        filled += parameter.numel()
    return numbers


def _sum_bucket(parameters: list[nn.Parameter]) -> None:
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([gradient.flatten().float() for gradient in gradients])
    dist.all_reduce(flat)
    parts = torch.split(flat, [gradient.numel() for gradient in gradients])
    for parameter, gradient, part in zip(parameters, gradients, parts, strict=True):
        parameter.grad = gradient.copy_(part.view_as(gradient))
