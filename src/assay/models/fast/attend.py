"""Causal attention of packed sequences on a CPU, written out in batched products of the library.

PyTorch's fused kernel computes in float32 with MKL there, and its backward pass takes half of the
time of attention. Here scores are float32 too, but made by the faster library (`fast/matmul.py`);
the other products are in the dtype of the inputs. Probabilities are kept for the backward pass
where few keys are seen, and made anew elsewhere, so that memory grows with the length, not with its
square (Dao et al. 2022, section 3.1).

Shape legend: H query heads, K key heads, G = H / K, T tokens of the batch, E head size, N tiles of
a group (`fast/tiles.py`), R queries of a tile, S keys that it sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from assay.models.fast.matmul import onednn_products
from assay.models.fast.tiles import TileGroup, TilePlan, plan_tiles

KEPT_BYTES = 512
"""Most bytes of probabilities that are kept for each query of each head."""


class _Rows:
    """The rows of a tensor of shape (heads, T, E), token by token."""

    def __init__(self, x_HTE: Tensor) -> None:
        self.heads, _, self.size = x_HTE.shape
        # A view wherever the tensor is what a projection gave.
        self.rows = x_HTE.transpose(0, 1).reshape(-1, self.size)

    def take(self, index: Tensor, key_heads: int, num_tiles: int) -> Tensor:
        """Those of a group's tiles, shape (N * K, rows of a tile, E)."""
        return self.rows.index_select(0, index).view(num_tiles * key_heads, -1, self.size)


class _Inputs:
    """Queries, keys and values, taken group by group."""

    def __init__(self, query_HTE: Tensor, key_KTE: Tensor, value_KTE: Tensor) -> None:
        self.query, self.key, self.value = _Rows(query_HTE), _Rows(key_KTE), _Rows(value_KTE)
        self.dtype = query_HTE.dtype

    def take(self, group: TileGroup) -> tuple[Tensor, Tensor, Tensor]:
        shape = (self.key.heads, len(group.tiles))
        return (
            self.query.take(group.queries, *shape),
            self.key.take(group.keys, *shape),
            self.value.take(group.keys, *shape),
        )


def _compute_probs(query: Tensor, key: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Shape (N * K, G * R, S), in the dtype of the inputs.

    Scores are float32, as the fused kernel has them: rounded to bfloat16, they err by per cents.
    """
    scores = torch.baddbmm(mask, query.float(), key.float().transpose(1, 2), alpha=scale)
    return scores.softmax(-1).to(query.dtype)


class _CausalAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query_HTE: Tensor,
        key_KTE: Tensor,
        value_KTE: Tensor,
        plan: TilePlan,
        scale: float,
    ) -> Tensor:
        inputs, parts = _Inputs(query_HTE, key_KTE, value_KTE), []
        kept: list[Tensor | None] = []
        for group in plan.groups:
            query, key, value = inputs.take(group)
            probs = _compute_probs(query, key, group.mask, scale)
            parts.append(torch.bmm(probs, value).view(-1, inputs.value.size))
            keeps = any(ctx.needs_input_grad) and group.seen * probs.itemsize <= KEPT_BYTES
            kept.append(probs if keeps else None)
        ctx.save_for_backward(query_HTE, key_KTE, value_KTE, *kept)
        ctx.plan, ctx.scale = plan, scale
        return _put_together(parts, plan.places).view(-1, len(query_HTE), inputs.value.size)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        query_HTE, key_KTE, value_KTE, *kept = ctx.saved_tensors
        inputs, scale = _Inputs(query_HTE, key_KTE, value_KTE), ctx.scale
        grad_out = _Rows(grads[0].transpose(0, 1))
        key_heads = inputs.key.heads
        parts, grad_key, grad_value = [], _KeyGradient(key_KTE), _KeyGradient(value_KTE)
        with onednn_products(inputs.dtype):
            for group, probs in zip(ctx.plan.groups, kept, strict=True):
                query, key, value = inputs.take(group)
                if probs is None:
                    probs = _compute_probs(query, key, group.mask, scale)
                grad = grad_out.take(group.queries, key_heads, len(group.tiles))
                grad.view(-1, grad.shape[-1]).index_fill_(0, group.filling, 0)
                grad_value.add(group, torch.bmm(probs.transpose(1, 2), grad))
                grad_probs = torch.bmm(grad, value.transpose(1, 2))
                grad_scores = torch.ops.aten._softmax_backward_data(
                    grad_probs, probs, -1, probs.dtype
                ).mul_(scale)
                parts.append(torch.bmm(grad_scores, key).view(-1, inputs.query.size))
                grad_key.add(group, torch.bmm(grad_scores.transpose(1, 2), query))
        grad_query_THE = _put_together(parts, ctx.plan.places).view((*grads[0].shape[:2], -1))
        return grad_query_THE.transpose(0, 1), grad_key.total, grad_value.total, None, None


def _put_together(parts: list[Tensor], places: Tensor) -> Tensor:
    """The groups' rows in the order of (T, H)."""
    return (parts[0] if len(parts) == 1 else torch.cat(parts)).index_select(0, places)


class _KeyGradient:
    """The gradient of keys or values, to which every tile that sees them adds."""

    def __init__(self, like_KTE: Tensor) -> None:
        heads, num_tokens, size = like_KTE.shape
        self.total_TKE = like_KTE.new_zeros(num_tokens, heads, size)

    def add(self, group: TileGroup, grad: Tensor) -> None:
        by_tile = grad.view(len(group.tiles), -1, *grad.shape[1:])
        for tile, grad_KSE in zip(group.tiles, by_tile, strict=True):
            seen = tile.stop - tile.first
            self.total_TKE[tile.first : tile.stop] += grad_KSE[:, :seen].transpose(0, 1)

    @property
    def total(self) -> Tensor:
        """Shape (K, T, E)."""
        return self.total_TKE.transpose(0, 1)


def attend(
    query_HTE: Tensor,
    key_KTE: Tensor,
    value_KTE: Tensor,
    lengths: Sequence[int],
    *,
    scale: float,
    window: int | None,
) -> Tensor:
    """Causal attention within each of `lengths`, shape (T, H, E), in the dtype of the values.

    Softmax in float32. Query head h looks at key head ``h // G`` (Ainslie et al. 2023); with
    `window` a query sees itself and the ``window - 1`` tokens before it.
    """
    plan = plan_tiles(tuple(lengths), len(query_HTE), len(key_KTE), window)
    # Under autocast, rotation by float32 angles leaves queries and keys in another.
    query_HTE, key_KTE = query_HTE.to(value_KTE.dtype), key_KTE.to(value_KTE.dtype)
    with onednn_products(value_KTE.dtype):
        result: Tensor = _CausalAttention.apply(  # type: ignore[no-untyped-call]
            query_HTE, key_KTE, value_KTE, plan, scale
        )
    return result
