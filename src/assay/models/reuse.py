"""Keeps what the frozen lower layers make of each sequence, so that epochs need not make it again.

With trainable weights in the top layers alone, the output of those below is the same in every
epoch. It is computed once for each sequence, in an order that depends on the sequences alone, and
held in memory or in a file; a forward pass whose sequences are all known begins above.

Shape legend: T tokens, D hidden size, L layers.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from assay.data.pack import build_batch, pack_lengths
from assay.models.forward import compute_hidden, load_batch


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
            place = self._places.get(_key(input_ids[start : start + length]))
            if place is None:
                return None
            parts.append(self._hidden_TD[place])
            start += length
        return torch.cat(parts)


def count_bytes(model: Any, sequences: Sequence[Sequence[int]]) -> int:
    """What a store of `sequences` would hold, in bytes; each different one counts once."""
    tokens = {_key(ids): len(ids) for ids in sequences}
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
    file: Path | None = None,
    on_done: Callable[[int, int], None] = lambda done, total: None,
) -> ActivationStore:
    """Run the lowest `depth` layers of `model`, which must be in `packed_mode`, on every sequence.

    Sequences are packed by their lengths in the order given, so that the same ones give the same
    bits whenever they are computed. The states lie in memory, or in `file`, which is made.

    Args:
        sequences: token ids; equal ones are computed once.
        token_budget: tokens of one pass.
        on_done: told how many of how many tokens are done.

    Raises:
        OSError: the file cannot be made or the disk is full.
    """
    unique = list({_key(ids): list(ids) for ids in sequences}.values())
    total = sum(map(len, unique))
    hidden_TD: Tensor | None = None
    places: dict[bytes, slice] = {}
    done = 0
    device = model.get_input_embeddings().weight.device
    for indices in pack_lengths([len(ids) for ids in unique], token_budget=token_budget):
        rows = [unique[index] for index in indices]
        batch = load_batch(build_batch(rows, [[0.0] * len(ids) for ids in rows]), device)
        states_TD = _run_lower(model, batch, depth)
        if hidden_TD is None:
            hidden_TD = _allocate(total, states_TD, file)
        hidden_TD[done : done + len(states_TD)] = states_TD
        for ids in rows:
            places[_key(ids)] = slice(done, done + len(ids))
            done += len(ids)
        on_done(done, total)
    assert hidden_TD is not None, "there are sequences to train on"
    return ActivationStore(depth, hidden_TD, places)


class _Reached(Exception):
    """Ends a forward pass at the layer whose output is wanted."""

    def __init__(self, hidden_1TD: Tensor) -> None:
        super().__init__()
        self.hidden_1TD = hidden_1TD


def _run_lower(model: Any, batch: Any, depth: int) -> Tensor:
    def stop(module: nn.Module, args: Any, output: Tensor) -> None:
        raise _Reached(output)

    hook = model.base_model.layers[depth - 1].register_forward_hook(stop)
    try:
        compute_hidden(model, batch)
    except _Reached as reached:
        return reached.hidden_1TD[0]
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


def _key(input_ids: Sequence[int]) -> bytes:
    return array("q", input_ids).tobytes()
