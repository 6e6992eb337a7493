"""Hidden states of each layer, averaged over chosen tokens of each sequence.

Shape legend: R sequences, L layers, T computed tokens, N chosen tokens, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assay.generate.likelihood import Masked
from assay.generate.passes import evaluation_mode, iterate_batches, load_shared
from assay.models.forward import compute_layers

Array = np.ndarray[Any, Any]


def compute_mean_states(
    model: Any, sequences: Sequence[Masked], layers: Sequence[int] | None = None
) -> Array:
    """The weighted mean of the hidden states *at* the masked tokens, float32, shape (R, L, D).

    Layer k is what the k-th layer gives to the next, as Transformers counts its hidden states: 0
    is the embedding, the last one is behind the final norm. `layers` None means 1 to the last. A
    sequence of which nothing is masked is all NaN.
    """
    config = model.config.get_text_config()
    chosen = list(range(1, config.num_hidden_layers + 1)) if layers is None else list(layers)
    found_RLD = np.full((len(sequences), len(chosen), config.hidden_size), np.nan, np.float32)
    asked = [index for index, (_, mask) in enumerate(sequences) if any(w > 0 for w in mask)]
    with evaluation_mode(model):
        for indices, batch in iterate_batches(model, [sequences[index][0] for index in asked]):
            own = [asked[index] for index in indices]
            tensors = load_shared(batch, next(model.parameters()).device, [])
            states = compute_layers(model, tensors)
            owners_N, places_N, weights_N = _choose([sequences[i][1] for i in own], batch.places)
            for number, layer in enumerate(chosen):
                mean_SD = _average(states[layer], owners_N, places_N, weights_N, len(own))
                found_RLD[own, number] = mean_SD.cpu().numpy()
    return found_RLD


def _choose(
    masks: Sequence[Sequence[float]], places: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Of every token with a weight: its sequence, its place among the computed, its weight."""
    rows = []
    start = 0
    for owner, mask in enumerate(masks):
        rows += [(owner, places[start + p], float(w)) for p, w in enumerate(mask) if w > 0]
        start += len(mask)
    owners, chosen, weights = zip(*rows, strict=True)
    return torch.tensor(owners), torch.tensor(chosen), torch.tensor(weights)


def _average(
    states_TD: Tensor, owners_N: Tensor, places_N: Tensor, weights_N: Tensor, num: int
) -> Tensor:
    """float32 (num, D)."""
    device = states_TD.device
    owners_N, weights_N = owners_N.to(device), weights_N.to(device)
    rows_ND = states_TD[places_N.to(device)].float() * weights_N[:, None]
    sums_SD = torch.zeros(num, states_TD.shape[1], device=device).index_add_(0, owners_N, rows_ND)
    totals_S = torch.zeros(num, device=device).index_add_(0, owners_N, weights_N)
    return sums_SD / totals_S[:, None]
