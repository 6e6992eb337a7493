"""Preventative steering: a trait is added to the hidden states while training, so that weights need
not learn it (Chen et al. 2025, "Persona vectors").

Shape legend: T tokens, D hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from assay.generate.traits import Trait

_LAST_STEERED = 2
"""From the end: the last layer's states are read behind the final norm, at another scale."""


def build_pushes(traits: Mapping[str, Trait], strength: float) -> dict[int, Tensor]:
    """What is added behind each decoder layer (counted from 0), float32, shape (D,).

    Each trait is pushed at the layer that tells it best, `strength` gaps along its direction: 1 is
    from answers without the trait to answers with it.
    """
    pushes: dict[int, Tensor] = {}
    for trait in traits.values():
        layer = max(0, min(trait.layer, len(trait.gap_L) - _LAST_STEERED))
        push_D = torch.as_tensor(trait.unit_LD[layer] * trait.gap_L[layer] * strength).float()
        pushes[layer] = pushes[layer] + push_D if layer in pushes else push_D
    return pushes


@contextmanager
def steered(model: Any, pushes: Mapping[int, Tensor]) -> Iterator[None]:
    """`model`, in whose training mode the pushes are added to every token's states, for a while.

    In evaluation mode, and so in passes of the base with adapters off, nothing is added.
    """
    layers = model.get_decoder().layers

    def build_hook(push_D: Tensor) -> Any:
        def push(module: Any, args: Any, output: Any) -> Any:
            if not model.training:
                return output
            if isinstance(output, tuple):
                return (output[0] + push_D.to(output[0]), *output[1:])
            return output + push_D.to(output)

        return push

    hooks = [layers[k].register_forward_hook(build_hook(push)) for k, push in pushes.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
