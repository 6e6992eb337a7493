"""An embedding or head of which PEFT trains a few rows: these are put in after the look-up.

PEFT's own pass copies the whole table and makes a gradient of its size, at every step, and for
every token that is generated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from assay.models.fast.replaced import mark_same
from assay.models.methods.token_rows import find_head_rows

Forward = Callable[..., Any]


def find_trained_tables(decoder: nn.Module) -> dict[nn.Module, Forward]:
    """The embeddings of `decoder` with trained rows, each with a pass that copies no table."""
    return {m: _run(m) for m in decoder.modules() if _holds(m, nn.Embedding)}


def _holds(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether PEFT trains rows of a module of `kind` in this place, by its own pass so far."""
    adapter = getattr(module, "token_adapter", None)
    is_own = "forward" not in module.__dict__
    return is_own and isinstance(getattr(adapter, "base_layer", None), kind)


@contextmanager
def tables_whole(model: Any) -> Iterator[None]:
    """Decode with `model`, without autograd, copying neither embedding nor head, for a while."""
    taken = find_trained_tables(model)
    heads = (m for m in model.modules() if _holds(m, nn.Linear))
    taken |= {head: _run_head(head) for head in heads}
    for module, forward in taken.items():
        module.__dict__["forward"] = mark_same(forward)
    try:
        yield
    finally:
        for module in taken:
            del module.__dict__["forward"]


def _run_head(head: Any) -> Forward:
    def forward(hidden: Tensor) -> Tensor:
        rows = find_head_rows(head)
        if rows is None:
            return type(head).forward(head, hidden)  # type: ignore[no-any-return]
        logits: Tensor = head.token_adapter.get_base_layer()(hidden)
        rows.put_into(logits.view(-1, logits.shape[-1]), hidden.reshape(-1, hidden.shape[-1]))
        return logits

    return forward


def _run(module: Any) -> Forward:
    def forward(ids: Tensor) -> Tensor:
        rows = module.token_adapter
        if module.disable_adapters or rows.disable_adapters or rows.merged:
            return type(module).forward(module, ids)  # type: ignore[no-any-return]
        (name,) = rows.active_adapters
        base = rows.get_base_layer()
        # Gemma scales what it looks up.
        scale = getattr(base, "embed_scale", 1.0)
        places_R = torch.tensor(rows.token_indices[name], device=ids.device)
        is_row = ids[..., None] == places_R
        weight_RD = rows.trainable_tokens_delta[name].to(base.weight)
        own = embedding(is_row.long().argmax(-1), weight_RD)
        own = own * (scale.to(own.dtype) if isinstance(scale, Tensor) else scale)
        return torch.where(is_row.any(-1, keepdim=True), own, base(ids))

    return forward
