"""The packed forward pass: from a `PackedBatch` to hidden states at its supervised positions.

Works on any Transformers causal language model: the decoder runs without its output head, and only
supervised positions reach the head. Shape legend: T tokens, N supervised positions, D hidden size,
V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from assay.data.pack import PackedBatch
from assay.models.attention import PACKED_ATTENTION, register_packed_attention
from assay.models.fast.head_rows import HeadRows
from assay.models.fast.last_layer import POSITIONS
from assay.models.fast.path import fast_path
from assay.models.methods.token_rows import find_head_rows, find_trained_head
from assay.models.methods.virtual_tokens import find_real_places, find_virtual_tokens

ATTENTION_KINDS = frozenset({"full_attention", "sliding_attention", "chunked_attention"})
"""Kinds of layers, by Transformers' names, whose only way from token to token is attention."""

_own_attention: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""What models had before they were last given isolated attention."""


@dataclass(frozen=True)
class Spread:
    """Which of a batch's T tokens each of the U tokens of its sequences written out is.

    `first_T` is a place among the U where each of the T stands. Sequences with a common beginning
    have the same tokens there, which are computed once.
    """

    places_U: Tensor
    first_T: Tensor


@dataclass(frozen=True)
class BatchTensors:
    """A `PackedBatch` as tensors on one device; see there for the meaning of each.

    With `spread`, `sequence_lengths` are those of the sequences written out. Where one position
    predicts several targets, each position stands once, and `target_hidden_N` says by which of them
    each of the N targets is predicted.
    """

    input_ids_1T: Tensor
    position_ids_1T: Tensor
    sequence_lengths: list[int]
    target_positions_N: Tensor
    target_ids_N: Tensor
    target_weights_N: Tensor
    spread: Spread | None = None
    target_hidden_N: Tensor | None = None


@dataclass(frozen=True)
class Head:
    """The output head: its weight, bias if any, and the model's own soft cap of the logits.

    `rows` stand in the places of some of the weight's, where new tokens are trained.
    """

    weight_VD: Tensor
    softcap: float | None
    bias_V: Tensor | None = None
    rows: HeadRows | None = None


def load_batch(batch: PackedBatch, device: torch.device) -> BatchTensors:
    """Copy a batch to `device`: int64 ids and positions, float32 weights."""

    def integers(values: list[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=device)

    once = sorted(set(batch.target_positions))
    is_shared = len(once) < len(batch.target_positions)
    order = {position: place for place, position in enumerate(once)} if is_shared else {}
    return BatchTensors(
        integers(batch.input_ids)[None],
        integers(batch.position_ids)[None],
        batch.sequence_lengths,
        integers(once if is_shared else batch.target_positions),
        integers(batch.target_ids),
        torch.tensor(batch.target_weights, dtype=torch.float32, device=device),
        spread=build_spread(batch.places, len(batch.input_ids), device) if batch.places else None,
        target_hidden_N=integers([order[p] for p in batch.target_positions]) if is_shared else None,
    )


def build_spread(places: Sequence[int], num_tokens: int, device: torch.device) -> Spread:
    """The `Spread` of sequences that, written out, are the tokens at `places` of `num_tokens`."""
    first_T = [-1] * num_tokens
    for number, place in enumerate(places):
        if first_T[place] < 0:
            first_T[place] = number
    return Spread(torch.tensor(places, device=device), torch.tensor(first_T, device=device))


def get_head(model: Any) -> Head:
    """The head of a causal language model, for hidden states as `compute_hidden` gives them.

    Raises:
        ValueError: the head is neither a linear layer, nor a trained copy of one, nor one with
            trained rows; or the base's configuration asks for a router loss: the chunked loss would
            not be that of the model.
    """
    head = find_trained_head(model.get_output_embeddings())
    config = model.config.get_text_config()
    is_plain = isinstance(head, nn.Linear)
    if getattr(config, "output_router_logits", False):
        raise ValueError(
            "the router loss that output_router_logits in config.json asks for, which depends on"
            " how rows are batched; set it to false"
        )
    softcap = getattr(config, "final_logit_softcapping", None)
    if is_plain:
        return Head(head.weight, softcap, head.bias)
    rows = find_head_rows(head)
    return Head(head.token_adapter.get_base_layer().weight, softcap, rows=rows)


def is_packable(model: Any) -> bool:
    """Whether sequences can share a forward pass: all that layers mix tokens by is attention.

    Recurrent and convolutional layers carry state from one token to the next, whatever sequence it
    is of; the attention of `packed_mode` cannot part them.
    """
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ())
    return not getattr(model, "_is_stateful", False) and kinds <= ATTENTION_KINDS


def can_share(model: Any) -> bool:
    """Whether sequences may have tokens in common, of which each is computed once.

    Virtual tokens stand before each sequence, and what they give it is its own.
    """
    return is_packable(model) and find_virtual_tokens(model) is None


def compute_hidden(model: Any, batch: BatchTensors) -> Tensor:
    """Final hidden states of every token, shape (T, D); `model` must be in `packed_mode`.

    Where the architecture scales its logits, the hidden states are scaled instead. A model that is
    not packable runs each sequence by itself.
    """
    return _run_decoder(model, batch)


def compute_layers(model: Any, batch: BatchTensors) -> list[Tensor]:
    """Hidden states of every token, each of shape (T, D): the embedding, then each layer's.

    As Transformers counts them: the last is behind the final norm. `model` must be in
    `packed_mode`; a batch with `spread` needs a packable one.
    """
    outputs = _run_passes(model, batch, output_hidden_states=True)
    tokens = find_virtual_tokens(model)
    layers = []
    for states in zip(*(output.hidden_states for output in outputs), strict=True):
        states_TD = torch.cat([state_1TD[0] for state_1TD in states])
        if len(states_TD) > batch.input_ids_1T.shape[1] and tokens is not None:
            real_T = find_real_places(batch.sequence_lengths, tokens.num, states_TD.device)
            states_TD = states_TD[real_T]
        layers.append(states_TD)
    return layers


def _run_decoder(model: Any, batch: BatchTensors, **kwargs: Any) -> Tensor:
    outputs = _run_passes(model, batch, **kwargs)
    parts = [output.last_hidden_state[0] for output in outputs]
    hidden_TD = parts[0] if len(parts) == 1 else torch.cat(parts)
    scale = get_logit_scale(model)
    return hidden_TD if scale == 1 else hidden_TD * scale


def _run_passes(model: Any, batch: BatchTensors, **kwargs: Any) -> list[Any]:
    """The decoder's output, of one pass or of one for each sequence."""
    ids, positions, lengths = batch.input_ids_1T, batch.position_ids_1T, batch.sequence_lengths
    if is_packable(model):
        if batch.spread is not None:
            kwargs["spread"] = (batch.spread.places_U, batch.spread.first_T)
        return [_run_pass(model, ids, positions, lengths, **kwargs)]
    kwargs.pop(POSITIONS, None)
    parts = zip(*(torch.split(x_1T, lengths, 1) for x_1T in (ids, positions)), strict=True)
    return [
        _run_pass(model, ids_1T, positions_1T, [ids_1T.shape[1]], **kwargs)
        for ids_1T, positions_1T in parts
    ]


def _run_pass(
    model: Any, input_ids_1T: Tensor, position_ids_1T: Tensor, lengths: list[int], **kwargs: Any
) -> Any:
    return model.base_model(
        input_ids=input_ids_1T,
        position_ids=position_ids_1T,
        attention_mask=None,
        use_cache=False,
        sequence_lengths=lengths,
        **kwargs,
    )


def get_logit_scale(model: Any) -> float:
    """What the architecture multiplies its logits by: Cohere, Falcon-H1; Granite divides."""
    config = model.config.get_text_config()
    scale = 1.0
    for key in ("logit_scale", "lm_head_multiplier"):
        scale *= getattr(config, key, None) or 1.0
    return float(scale / (getattr(config, "logits_scaling", None) or 1.0))


def compute_supervised_hidden(model: Any, batch: BatchTensors, **kwargs: Any) -> Tensor:
    """Hidden states of the positions that predict the N targets, shape (N, D).

    `kwargs` go to the decoder.
    """
    positions_N = batch.target_positions_N
    hidden = _run_decoder(model, batch, **{POSITIONS: positions_N}, **kwargs)
    # The last layer, where it is of a common form, has left the other positions out already.
    hidden_ND = hidden if len(hidden) == len(positions_N) else hidden[positions_N]
    places_N = batch.target_hidden_N
    return hidden_ND if places_N is None else hidden_ND.index_select(0, places_N)


@contextmanager
def packed_mode(model: Any) -> Iterator[str]:
    """Give `model` the isolated attention and the fast path for a while, and its own back again.

    Yields a line that says which layers keep their own forward pass and why; empty where none.
    """
    with isolated_attention(model), fast_path(model) as left_out:
        yield left_out


@contextmanager
def isolated_attention(model: Any) -> Iterator[None]:
    """Give `model` the attention that keeps packed sequences apart for a while."""
    register_packed_attention()
    before = model.config._attn_implementation
    if before != PACKED_ATTENTION:
        _own_attention[model] = before
    model.set_attn_implementation(PACKED_ATTENTION)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@contextmanager
def own_attention(model: Any) -> Iterator[None]:
    """Give `model` its own attention back for a while within `isolated_attention`."""
    before = model.config._attn_implementation
    if before != PACKED_ATTENTION:
        yield
        return
    model.set_attn_implementation(_own_attention[model])
    try:
        yield
    finally:
        model.set_attn_implementation(before)
