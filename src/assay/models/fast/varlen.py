"""Attention of a whole packed batch in one call: PyTorch's varlen kernel, on GPUs alone.

Shape legend: H query heads, K key heads, T tokens of the batch, E head size, S sequences.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

HALF = (torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class AttentionOptions:
    """`scale` of the scores, share of weights dropped, and what else an architecture asks for.

    With `window` a query sees itself and the ``window - 1`` tokens before it; `softcap` is the tanh
    cap of the scores.
    """

    scale: float
    dropout: float
    window: int | None
    softcap: float | None = None


def serves_varlen(options: AttentionOptions) -> bool:
    """Whether the kernel is here and computes what `options` ask for."""
    return has_varlen() and not options.dropout and options.softcap is None


@lru_cache
def has_varlen() -> bool:
    """Whether this PyTorch has the kernel in the form that is called here."""
    found = _find_varlen()
    wanted = {"scale", "window_size", "enable_gqa"}
    return found is not None and wanted <= set(inspect.signature(found).parameters)


def _find_varlen() -> Callable[..., Any] | None:
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn


def attend_varlen(
    query_HTE: Tensor,
    key_KTE: Tensor,
    value_KTE: Tensor,
    lengths: Sequence[int],
    options: AttentionOptions,
    kernel: Callable[..., Any] | None = None,
) -> Tensor:
    """Causal attention within each of S sequences, shape (T, H, E), by `kernel` or PyTorch's."""
    kernel = kernel or _find_varlen()
    assert kernel is not None, "has_varlen() was asked"
    places = [0, *accumulate(lengths)]
    borders = torch.tensor(places, dtype=torch.int32, device=query_HTE.device)
    longest = max(lengths)
    result: Tensor = kernel(
        query_HTE.transpose(0, 1),
        key_KTE.transpose(0, 1),
        value_KTE.transpose(0, 1),
        borders,
        borders,
        longest,
        longest,
        scale=options.scale,
        # Its window counts the tokens before the query alone.
        window_size=(options.window - 1 if options.window else -1, 0),
        enable_gqa=query_HTE.shape[0] != key_KTE.shape[0],
    )
    return result
