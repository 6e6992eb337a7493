"""Runs the MLP of the last decoder layer at the supervised positions alone: no other is looked at.

Attention still sees every token. Works where a layer is norm, attention, residual, norm, MLP,
residual, with or without a norm behind attention and MLP; whether it is, the first call finds out
by running both.

Shape legend: T tokens, N supervised positions, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Forward = Callable[..., Any]
POSITIONS = "supervised_positions"
"""Keyword of the model's forward pass that names the positions."""


def find_last_layer(decoder: Any) -> nn.Module | None:
    """The last decoder layer, if it has the parts that `build_forward` runs."""
    layers = getattr(decoder, "layers", None)
    if not isinstance(layers, nn.ModuleList) or not len(layers):
        return None
    last = layers[-1]
    parts = ("input_layernorm", "self_attn", "post_attention_layernorm", "mlp")
    return last if all(hasattr(last, part) for part in parts) else None


def build_forward(layer: Any) -> Forward:
    """A forward pass of `layer` that returns (1, N, D) where it is told the positions."""
    agreed: list[bool] = []

    def forward(hidden_1TD: Tensor, *args: Any, **kwargs: Any) -> Any:
        positions_N = kwargs.pop(POSITIONS, None)
        if positions_N is None or args or agreed == [False]:
            return type(layer).forward(layer, hidden_1TD, *args, **kwargs)
        if not agreed:
            agreed.append(_agrees(layer, hidden_1TD.detach(), positions_N, kwargs))
            return forward(hidden_1TD, **{POSITIONS: positions_N}, **kwargs)
        return _run(layer, hidden_1TD, positions_N, kwargs)

    return forward


def _run(layer: Any, hidden_1TD: Tensor, positions_N: Tensor, kwargs: dict[str, Any]) -> Tensor:
    attended, _ = layer.self_attn(hidden_states=layer.input_layernorm(hidden_1TD), **kwargs)
    # Gemma norms what attention and MLP give; elsewhere this norm is that of the MLP's input.
    before_mlp = getattr(layer, "pre_feedforward_layernorm", None)
    if before_mlp is not None:
        attended = layer.post_attention_layernorm(attended)
    hidden_1ND = (hidden_1TD + attended)[:, positions_N]
    norm = before_mlp or layer.post_attention_layernorm
    changed = layer.mlp(norm(hidden_1ND))
    if before_mlp is not None:
        changed = layer.post_feedforward_layernorm(changed)
    return hidden_1ND + changed  # type: ignore[no-any-return]


@torch.no_grad()
def _agrees(layer: Any, hidden_1TD: Tensor, positions_N: Tensor, kwargs: dict[str, Any]) -> bool:
    """Whether both ways give the same on a real batch; dropout and noise would hide it: eval."""
    training = layer.training
    layer.eval()
    try:
        expected = type(layer).forward(layer, hidden_1TD, **kwargs)
        found = _run(layer, hidden_1TD, positions_N, kwargs)
    except (AttributeError, TypeError, ValueError):
        return False
    finally:
        layer.train(training)
    if not isinstance(expected, Tensor):
        return False
    expected = expected[:, positions_N]
    tolerance = 64 * torch.finfo(expected.dtype).eps * float(expected.abs().max())
    return found.shape == expected.shape and bool((found - expected).abs().max() <= tolerance)
