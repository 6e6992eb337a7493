"""Changes the update that a saved adapter makes, layer by layer; it asks no model.

Shape legend: O outputs and I inputs of a layer, R rank, D hidden size.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from assay.defend.adapter_files import A, B, SavedAdapter
from assay.errors import ConfigError

PREFIX = "base_model.model."
WRITERS = ("o_proj", "down_proj")
"""Layers whose output is added to the residual stream, by their names in Llama and its kin."""


def project_on_alignment(
    adapter: SavedAdapter,
    aligned: Mapping[str, Tensor],
    unaligned: Mapping[str, Tensor],
    *,
    threshold: float,
) -> tuple[SavedAdapter, dict[str, float]]:
    """The adapter with the update of some layers projected on what aligned the base.

    With ``V = W_aligned - W_unaligned`` and ``C = V V^T / |V|_F``, a layer's update U becomes
    ``C U`` where ``cos(U, C U) < threshold`` (SafeLoRA, Hsu et al. 2024). Layers that
    alignment left as they were have no V and stay.

    Args:
        aligned, unaligned: weights (O, I) by name, as Transformers saves them.
        threshold: from -1 to 1; at -1 nothing changes.

    Returns:
        The adapter, and the cosine of every layer that was compared.

    Raises:
        ConfigError: an adapted layer's weight is missing from one of the two models.
    """
    names = {layer: f"{layer.removeprefix(PREFIX)}.weight" for layer in adapter.layers}
    missing = [n for n in names.values() if n not in aligned or n not in unaligned]
    if missing:
        raise ConfigError(f"no aligned and unaligned weight of {', '.join(missing[:3])}")
    changed, cosines = {}, {}
    for layer, name in names.items():
        alignment_OI = aligned[name].double() - unaligned[name].double()
        if not alignment_OI.any():
            continue
        a_RI, b_OR = adapter.tensors[layer + A].double(), adapter.tensors[layer + B]
        to_OR = alignment_OI @ (alignment_OI.T @ b_OR.double()) / alignment_OI.norm()
        cosines[layer] = _cosine(b_OR.double() @ a_RI, to_OR @ a_RI)
        if cosines[layer] < threshold:
            changed[layer + B] = to_OR.to(b_OR.dtype)
    return adapter.with_tensors(changed), cosines


def ablate_direction(
    adapter: SavedAdapter, direction_D: Tensor, *, writers: Collection[str] = WRITERS
) -> SavedAdapter:
    """The adapter without what it writes into the residual stream along `direction_D`.

    ``U - u u^T U`` for the layers whose last name is one of `writers`, u being the direction's unit
    vector: ablation in weights (Arditi et al. 2024, "Refusal in language models is mediated by a
    single direction"), of the update alone. What the base does itself stays.

    Raises:
        ConfigError: the direction is nought, or no adapted layer writes into a stream of its size.
    """
    unit_D = direction_D.double() / direction_D.double().norm()
    layers = _find_writers(adapter, len(unit_D), writers)
    if not layers or not bool(torch.isfinite(unit_D).all()):
        raise ConfigError(
            f"no direction of {len(unit_D)} dimensions that an adapted {' or '.join(writers)} "
            "writes along"
        )
    changed = {}
    for layer in layers:
        b_DR = adapter.tensors[layer + B]
        kept_DR = b_DR.double() - torch.outer(unit_D, unit_D @ b_DR.double())
        changed[layer + B] = kept_DR.to(b_DR.dtype)
    return adapter.with_tensors(changed)


def _find_writers(adapter: SavedAdapter, size: int, writers: Collection[str]) -> Sequence[str]:
    return [
        layer
        for layer in adapter.layers
        if layer.rsplit(".", 1)[-1] in writers and len(adapter.tensors[layer + B]) == size
    ]


def _cosine(first_OI: Tensor, second_OI: Tensor) -> float:
    """1 where one of the two is nought: there is nothing to turn."""
    lengths = float(first_OI.norm() * second_OI.norm())
    return float((first_OI * second_OI).sum()) / lengths if lengths else 1.0
