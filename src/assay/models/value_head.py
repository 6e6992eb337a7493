"""A value head on a causal language model: what is expected of a completion, before each token.

It is trained beside the policy and kept in checkpoints; what is saved of a run has none. Shape
legend: N tokens, D hidden size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

VALUE_HEAD = "value_head"


def add_value_head(model: Any) -> Any:
    """`model` with a trained head that expects 0 of everything at first, in float32."""
    size = model.config.get_text_config().hidden_size
    head = nn.Linear(size, 1, device=next(model.parameters()).device, dtype=torch.float32)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    setattr(model, VALUE_HEAD, head)
    return model


def remove_value_head(model: Any) -> None:
    """Leave `model` as it was before `add_value_head`; a model without a head stays as it is."""
    if has_value_head(model):
        delattr(model, VALUE_HEAD)


def has_value_head(model: Any) -> bool:
    return getattr(model, VALUE_HEAD, None) is not None


def compute_values(model: Any, hidden_ND: Tensor) -> Tensor:
    """The value before each token, of the hidden states that predict it: float32, shape (N,).

    A product and a sum, so that no autocast rounds them.
    """
    head = getattr(model, VALUE_HEAD)
    values_N: Tensor = (hidden_ND.float() * head.weight).sum(-1) + head.bias
    return values_N
