"""Attention over packed sequences, isolated from one another, for any Transformers model.

It is registered with Transformers' attention interface under `PACKED_ATTENTION`; no mask is built,
and the sequence lengths travel as a keyword of the forward call. On a GPU in half precision one
varlen call serves the whole batch, on a CPU products over tiles of sequences (`fast/attend.py`),
elsewhere one fused call each run of equal lengths: nested tensors and Flex attention have no
backward pass on CPU, and a dense block-diagonal mask loses a quarter of the speed.

Shape legend: H query heads, K key heads, T tokens of the batch, E head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from assay.models.fast.attend import attend
from assay.models.fast.matmul import has_exact_bmm
from assay.models.fast.varlen import HALF, AttentionOptions, attend_varlen, serves_varlen
from assay.models.methods.virtual_tokens import find_real_places, put_before_each

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
    spread: tuple[Tensor, Tensor] | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Causal attention in which no token sees another sequence; returns shape (1, T, H, E).

    `softcap` is Gemma 2's tanh cap of the scores, which no fused kernel of PyTorch has. `spread` is
    that of `assay.models.forward.Spread`: tokens that sequences have in common are copied for each,
    so that every kernel serves, and read once.
    """
    lengths = list(sequence_lengths or [query_1HTE.shape[2]])
    dropout = dropout if module.training else 0.0
    scale = query_1HTE.shape[-1] ** -0.5 if scaling is None else scaling
    options = AttentionOptions(scale, dropout, sliding_window, softcap)
    qkv = (query_1HTE[0], key_1KTE[0], value_1KTE[0])
    with torch.autocast(query_1HTE.device.type, enabled=False):
        if spread is not None:
            places_U, first_T = spread
            query, key, value = (x[:, places_U] for x in qkv)
            return _attend(query, key, value, lengths, options)[first_T][None], None
        num_virtual = (key_1KTE.shape[2] - query_1HTE.shape[2]) // len(lengths)
        if num_virtual:
            return _attend_beyond(*qkv, lengths, num_virtual, options)[None], None
        return _attend(*qkv, lengths, options)[None], None


def _attend_beyond(
    query_HTE: Tensor,
    key_KUE: Tensor,
    value_KUE: Tensor,
    lengths: Sequence[int],
    num_virtual: int,
    options: AttentionOptions,
) -> Tensor:
    """Attention where `num_virtual` keys that no token asks from stand before each sequence.

    Queries of zeros take their places, so that every kernel serves; what those get is dropped.
    """
    zeros = query_HTE.new_zeros(query_HTE.shape[0], num_virtual, query_HTE.shape[2])
    query_HUE = put_before_each(zeros, query_HTE, lengths)
    longer = [length + num_virtual for length in lengths]
    out_UHE = _attend(query_HUE, key_KUE, value_KUE, longer, options)
    return out_UHE[find_real_places(lengths, num_virtual, out_UHE.device)]


def _attend(
    query_HTE: Tensor,
    key_KTE: Tensor,
    value_KTE: Tensor,
    lengths: Sequence[int],
    options: AttentionOptions,
) -> Tensor:
    """Causal attention within each sequence by the best kernel that serves; shape (T, H, E)."""
    if query_HTE.is_cuda and query_HTE.dtype in HALF and serves_varlen(options):
        return attend_varlen(query_HTE, key_KTE, value_KTE, lengths, options)
    if _serves_tiles(value_KTE, options):
        return attend(
            query_HTE, key_KTE, value_KTE, lengths, scale=options.scale, window=options.window
        )
    return _attend_runs(query_HTE, key_KTE, value_KTE, lengths, options)


def _serves_tiles(value: Tensor, options: AttentionOptions) -> bool:
    """Whether attention in tiles computes what `options` ask for, and faster than a fused call."""
    if value.device.type != "cpu" or options.softcap is not None or options.dropout:
        return False
    return value.dtype == torch.bfloat16 or (value.dtype == torch.float32 and has_exact_bmm())


def _attend_runs(
    query_HTE: Tensor,
    key_KTE: Tensor,
    value_KTE: Tensor,
    lengths: Sequence[int],
    options: AttentionOptions,
) -> Tensor:
    """Sequence after sequence, neighbours of one length together; shape (T, H, E)."""
    runs = _runs(lengths)
    sizes = [length * count for length, count in runs]
    # Splitting rather than slicing: the gradient of a slice is a zero tensor of the whole batch.
    parts = zip(*(torch.split(x, sizes, 1) for x in (query_HTE, key_KTE, value_KTE)), strict=True)
    outputs = []
    for (length, count), qkv in zip(runs, parts, strict=True):
        query, key, value = (_split_sequences(x_HTE, count) for x_HTE in qkv)
        out = _attend_alike(query, key, value, length, options)
        outputs.append(out.transpose(1, 2).flatten(0, 1))
    return torch.cat(outputs)


def _attend_alike(
    query: Tensor, key: Tensor, value: Tensor, length: int, options: AttentionOptions
) -> Tensor:
    """Sequences of one length, each of shape (heads, length, E), stacked."""
    dtype, device, window = query.dtype, query.device, options.window
    compute_dtype = torch.float32 if device.type == "cpu" else dtype
    query, key, value = (x.to(compute_dtype) for x in (query, key, value))
    if options.softcap is not None:
        mask_LL = _causal_mask(length, window or length, device)
        return _capped_attention((query, key, value), mask_LL, options.softcap, options).to(dtype)
    out = scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=_window_mask(length, window, device),
        dropout_p=options.dropout,
        is_causal=not (window and length > window),
        scale=options.scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return out.to(dtype)


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
    qkv: tuple[Tensor, Tensor, Tensor], mask_LL: Tensor, cap: float, options: AttentionOptions
) -> Tensor:
    """softmax(cap * tanh(q k / cap)) v, written out; shape (count, heads, length, E)."""
    query, key, value = qkv
    groups = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
    scores = torch.tanh(query @ key.transpose(-1, -2) * options.scale / cap) * cap
    weights = scores.masked_fill(~mask_LL, float("-inf")).softmax(-1, dtype=torch.float32)
    return torch.dropout(weights.to(value.dtype), options.dropout, options.dropout > 0) @ value


def _window_mask(length: int, window: int | None, device: torch.device) -> Tensor | None:
    """Causal sliding-window mask; None where plain causal serves."""
    return _causal_mask(length, window, device) if window and length > window else None


def _causal_mask(length: int, window: int, device: torch.device) -> Tensor:
    """True where a query may look: at itself and the `window` - 1 tokens before."""
    position = torch.arange(length, device=device)
    distance = position[:, None] - position[None, :]
    return (distance >= 0) & (distance < window)
