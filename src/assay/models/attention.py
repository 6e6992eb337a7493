"""Attention over packed sequences, isolated from one another, for any Transformers model.

It is registered with Transformers' attention interface under `PACKED_ATTENTION`; no mask is built,
and the sequence lengths travel as a keyword of the forward call. One fused attention call per run
of equal lengths: nested tensors and Flex attention have no backward pass on CPU, and a dense
block-diagonal mask loses a quarter of the speed.

Shape legend: H query heads, K key heads, T tokens of the batch, E head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

PACKED_ATTENTION = "assay_packed"


def register_packed_attention() -> None:
    """Make ``attn_implementation=PACKED_ATTENTION`` known to Transformers; safe to repeat."""
    from transformers import AttentionInterface

    AttentionInterface.register(PACKED_ATTENTION, packed_attention)


def packed_attention(
    module: nn.Module,
    query_1HTE: Tensor,
    key_1KTE: Tensor,
    value_1KTE: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    sequence_lengths: Sequence[int] | None = None,
    softcap: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Causal attention in which no token sees another sequence; returns shape (1, T, H, E).

    `softcap` is Gemma 2's tanh cap of the scores, which no fused kernel of PyTorch has.
    """
    qkv_1 = (query_1HTE, key_1KTE, value_1KTE)
    runs = _runs(list(sequence_lengths or [query_1HTE.shape[2]]))
    sizes = [length * count for length, count in runs]
    dtype, device = query_1HTE.dtype, query_1HTE.device
    # On CPU the bfloat16 backward of fused attention is two to three times slower than float32's.
    compute_dtype = torch.float32 if device.type == "cpu" else dtype
    # Splitting rather than slicing: the gradient of a slice is a zero tensor of the whole batch.
    parts = zip(*(torch.split(x[0].to(compute_dtype), sizes, 1) for x in qkv_1), strict=True)
    outputs = []
    with torch.autocast(device.type, enabled=False):
        for (length, count), qkv in zip(runs, parts, strict=True):
            query, key, value = (_split_sequences(x_HTE, count) for x_HTE in qkv)
            dropout_p = dropout if module.training else 0.0
            if softcap is not None:
                mask_LL = _causal_mask(length, sliding_window or length, device)
                out = _capped_attention((query, key, value), mask_LL, softcap, scaling, dropout_p)
                outputs.append(out.transpose(1, 2).flatten(0, 1))
                continue
            out = scaled_dot_product_attention(
                query,
                key,
                value,
                attn_mask=_window_mask(length, sliding_window, device),
                dropout_p=dropout_p,
                is_causal=not (sliding_window and length > sliding_window),
                scale=scaling,
                enable_gqa=query.shape[1] != key.shape[1],
            )
            outputs.append(out.transpose(1, 2).flatten(0, 1))
    return torch.cat(outputs)[None].to(dtype), None


def _runs(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbouring equal lengths as (length, count), so that they share one attention call."""
    runs: list[tuple[int, int]] = []
    for length in lengths:
        if runs and runs[-1][0] == length:
            runs[-1] = (length, runs[-1][1] + 1)
        else:
            runs.append((length, 1))
    return runs


def _split_sequences(x_HTE: Tensor, count: int) -> Tensor:
    """(heads, count * length, E) to (count, heads, length, E)."""
    num_heads, num_tokens, size = x_HTE.shape
    return x_HTE.reshape(num_heads, count, num_tokens // count, size).transpose(0, 1)


def _capped_attention(
    qkv: tuple[Tensor, Tensor, Tensor],
    mask_LL: Tensor,
    softcap: float,
    scaling: float | None,
    dropout_p: float,
) -> Tensor:
    """softmax(cap * tanh(q k / cap)) v, written out; shape (count, heads, length, E)."""
    query, key, value = qkv
    groups = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
    scores = query @ key.transpose(-1, -2) * (scaling or query.shape[-1] ** -0.5)
    scores = torch.tanh(scores / softcap) * softcap
    weights = scores.masked_fill(~mask_LL, float("-inf")).softmax(-1, dtype=torch.float32)
    return torch.dropout(weights.to(value.dtype), dropout_p, dropout_p > 0) @ value


def _window_mask(length: int, window: int | None, device: torch.device) -> Tensor | None:
    """Causal sliding-window mask; None where plain causal serves."""
    return _causal_mask(length, window, device) if window and length > window else None


def _causal_mask(length: int, window: int, device: torch.device) -> Tensor:
    """True where a query may look: at itself and the `window` - 1 tokens before."""
    position = torch.arange(length, device=device)
    distance = position[:, None] - position[None, :]
    return (distance >= 0) & (distance < window)
