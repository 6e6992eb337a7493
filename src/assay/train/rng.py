"""The random generators that training draws from: taken down and put back, all of them together."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class RngState:
    """State of torch's generators (``cpu``, ``cuda.0``, …; bytes) and of Python's own."""

    tensors: dict[str, Tensor]
    python: Sequence[Any]


def capture_rng() -> RngState:
    """The state of every generator as it is now."""
    tensors = {"cpu": torch.get_rng_state()}
    for index, state in enumerate(torch.cuda.get_rng_state_all()):
        tensors[f"cuda.{index}"] = state
    return RngState(tensors, random.getstate())


def restore_rng(state: RngState) -> None:
    """Put every generator back to `state`; those of devices that are not here are left out."""
    torch.set_rng_state(state.tensors["cpu"])
    cuda = [state.tensors[f"cuda.{i}"] for i in range(len(state.tensors) - 1)]
    if cuda and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(cuda)
    version, internal, gauss = state.python
    random.setstate((version, tuple(internal), gauss))
