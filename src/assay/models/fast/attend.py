"""Causal attention of one sequence in bfloat16 on a CPU: blocks of queries on what they may see.

There PyTorch's fused kernel is slower in bfloat16 than in float32, by two to three times in its
backward pass. Here the products are batched ones of the library; scores of a block are made anew in
the backward pass, so memory grows with the length, not with its square (Dao et al. 2022, section
3.1). In float32 both are as fast.

Shape legend: H query heads, K key heads, G = H / K, L tokens, B queries of a block, E head size,
S keys that a block sees.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

BLOCK = 128
"""Queries of a block; 64 to 192 was the fastest range measured."""
SHORTEST = 256
"""Tokens below which a whole step gains nothing over PyTorch's fused kernel in float32."""


class _Block(NamedTuple):
    """Queries ``[start, stop)`` and the first key they may see."""

    start: int
    stop: int
    first: int


def _list_blocks(length: int, window: int | None) -> Iterator[_Block]:
    for start in range(0, length, BLOCK):
        first = max(0, start - window + 1) if window else 0
        yield _Block(start, min(start + BLOCK, length), first)


def _compute_probs(
    query_KGLE: Tensor, key_KLE: Tensor, block: _Block, scale: float, window: int | None
) -> tuple[Tensor, Tensor]:
    """The block's queries, shape (K, G * B, E), and float32 probabilities, (K, G * B, S)."""
    heads, group, _, size = query_KGLE.shape
    rows = block.stop - block.start
    query = query_KGLE[:, :, block.start : block.stop].reshape(heads, group * rows, size)
    # Scores in float32, as the fused kernel has them: rounded to bfloat16, they err by per cents.
    keys = key_KLE[:, block.first : block.stop].float()
    scores = torch.bmm(query.float(), keys.transpose(1, 2))
    scores.mul_(scale)
    place = torch.arange(block.first, block.stop)
    distance = torch.arange(block.start, block.stop)[:, None] - place
    hidden = distance < 0
    if window:
        hidden |= distance >= window
    by_group = scores.view(heads, group, rows, -1)
    by_group.masked_fill_(hidden, -math.inf)
    return query, scores.softmax(-1)


def _group(x_HLE: Tensor, key_heads: int) -> Tensor:
    """A view with the query heads of each key head together, shape (K, G, L, E)."""
    return x_HLE.view(key_heads, -1, *x_HLE.shape[1:])


class _CausalAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query_HLE: Tensor, key_KLE: Tensor, value_KLE: Tensor, scale: float, window: Any
    ) -> Tensor:
        heads = key_KLE.shape[0]
        out_HLE = torch.empty_like(query_HLE, memory_format=torch.contiguous_format)
        grouped, out = _group(query_HLE, heads), _group(out_HLE, heads)
        for block in _list_blocks(query_HLE.shape[1], window):
            _, probs = _compute_probs(grouped, key_KLE, block, scale, window)
            seen = value_KLE[:, block.first : block.stop]
            part = torch.bmm(probs.to(seen.dtype), seen)
            out[:, :, block.start : block.stop] = part.view(*grouped.shape[:2], -1, part.shape[-1])
        ctx.save_for_backward(query_HLE, key_KLE, value_KLE)
        ctx.scale, ctx.window = scale, window
        return out_HLE

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        query_HLE, key_KLE, value_KLE = ctx.saved_tensors
        dtype, heads = query_HLE.dtype, key_KLE.shape[0]
        grouped, grad_out = _group(query_HLE, heads), _group(grads[0], heads)
        grad_query = torch.empty_like(query_HLE, memory_format=torch.contiguous_format)
        grad_grouped = _group(grad_query, heads)
        grad_key, grad_value = torch.zeros_like(key_KLE), torch.zeros_like(value_KLE)
        for block in _list_blocks(query_HLE.shape[1], ctx.window):
            query, probs = _compute_probs(grouped, key_KLE, block, ctx.scale, ctx.window)
            rows, keys = slice(block.start, block.stop), slice(block.first, block.stop)
            grad = grad_out[:, :, rows].reshape(query.shape)
            grad_value[:, keys] += torch.bmm(probs.to(dtype).transpose(1, 2), grad)
            grad_probs = torch.bmm(grad, value_KLE[:, keys].transpose(1, 2)).float()
            grad_scores = torch.ops.aten._softmax_backward_data(
                grad_probs, probs, -1, torch.float32
            )
            grad_scores = grad_scores.mul_(ctx.scale).to(dtype)
            part = torch.bmm(grad_scores, key_KLE[:, keys])
            grad_grouped[:, :, rows] = part.view(*grouped.shape[:2], -1, part.shape[-1])
            grad_key[:, keys] += torch.bmm(grad_scores.transpose(1, 2), query)
        return grad_query, grad_key, grad_value, None, None


def attend(
    query_HLE: Tensor, key_KLE: Tensor, value_KLE: Tensor, *, scale: float, window: int | None
) -> Tensor:
    """Causal attention of one sequence, shape (H, L, E), of any float dtype; softmax in float32.

    Query head h looks at key head ``h // G`` (Ainslie et al. 2023); with `window` a query sees
    itself and the ``window - 1`` tokens before it.
    """
    result: Tensor = _CausalAttention.apply(  # type: ignore[no-untyped-call]
        query_HLE, key_KLE, value_KLE, scale, window
    )
    return result
