"""Keeps what the frozen lower layers make of each sequence, so that epochs need not make it again.

With trainable weights in the top layers alone, the output of those below is the same in every
epoch. It is computed once for each sequence (`assay.models.reuse_fill`); a forward pass whose
sequences are all known begins above.

Shape legend: T tokens, D hidden size.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def find_frozen_depth(model: Any) -> int:
    """How many decoder layers from the bottom hold no trainable weight, 0 where reuse is not exact.

    At least one layer stays above. Embeddings must be frozen too, and nothing may be random: a
    dropout in the layers or in the model's configuration makes every pass another.
    """
    layers = getattr(model.base_model, "layers", None)
    if not isinstance(layers, nn.ModuleList):
        return 0
    above = set(layers.parameters())
    outside = (p for p in model.base_model.parameters() if p not in above)
    norm = getattr(model.base_model, "norm", None)
    final = set() if norm is None else set(norm.parameters())
    if any(p.requires_grad for p in outside if p not in final) or _has_dropout(model):
        return 0
    depth = 0
    for layer in layers[:-1]:
        if any(parameter.requires_grad for parameter in layer.parameters()):
            break
        depth += 1
    return depth


def _has_dropout(model: Any) -> bool:
    config = model.config.get_text_config()
    named = ("attention_dropout", "hidden_dropout", "resid_pdrop", "embd_pdrop", "attn_pdrop")
    if any(getattr(config, name, None) for name in named):
        return True
    base = model.base_model
    return any(isinstance(m, nn.Dropout) and m.p > 0 for m in base.modules())


class ActivationStore:
    """Hidden states, shape (T, D) of all sequences together, by the token ids of each."""

    def __init__(self, depth: int, hidden_TD: Tensor, places: dict[bytes, slice]) -> None:
        self.depth = depth
        self._hidden_TD = hidden_TD
        self._places = places

    def find(self, input_ids: Sequence[int], lengths: Sequence[int]) -> Tensor | None:
        """The states of a packed batch, shape (T, D); None where a sequence is not known."""
        parts, start = [], 0
        for length in lengths:
            place = self._places.get(make_key(input_ids[start : start + length]))
            if place is None:
                return None
            parts.append(self._hidden_TD[place])
            start += length
        return torch.cat(parts)


@contextmanager
def reused(model: Any, store: ActivationStore | None) -> Iterator[None]:
    """Begin forward passes of `model` above what `store` knows, for a while; None changes nothing.

    To be entered within `packed_mode`.
    """
    if store is None:
        yield
        return
    layers = list(model.base_model.layers[: store.depth])
    own = [layer.__dict__.get("forward") for layer in layers]
    known: list[Tensor] = []

    def look_up(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        known.clear()
        input_ids_1T, lengths = kwargs.get("input_ids"), kwargs.get("sequence_lengths")
        if input_ids_1T is not None and lengths:
            found_TD = store.find(input_ids_1T[0].tolist(), lengths)
            if found_TD is not None:
                known.append(found_TD.to(input_ids_1T.device)[None])

    def build(layer: nn.Module, index: int) -> Callable[..., Any]:
        before = own[index] or layer.forward

        def forward(hidden_1TD: Tensor, *args: Any, **kwargs: Any) -> Any:
            if not known:
                return before(hidden_1TD, *args, **kwargs)
            return known[0] if index == store.depth - 1 else hidden_1TD

        return forward

    hook = model.base_model.register_forward_pre_hook(look_up, with_kwargs=True)
    for index, layer in enumerate(layers):
        layer.__dict__["forward"] = build(layer, index)
    try:
        yield
    finally:
        hook.remove()
        for layer, forward in zip(layers, own, strict=True):
            layer.__dict__.pop("forward")
            if forward is not None:
                layer.__dict__["forward"] = forward


def make_key(input_ids: Sequence[int]) -> bytes:
    """What a sequence is found by in a store."""
    return array("q", input_ids).tobytes()
