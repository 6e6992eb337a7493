"""Runs prompts packed, each and each common beginning once, and keeps what decoding goes on from.

Shape legend: L layers, K key heads, T computed tokens, E head size, D hidden size, V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from assay.generate.passes import Tokens, evaluation_mode, find_starts, iterate_batches, load_shared
from assay.models.forward import compute_supervised_hidden


@dataclass(frozen=True)
class Prompt:
    """A prompt that was computed.

    Attributes:
        index: which of the prompts.
        hidden_D: of its last token, as the output head takes it.
        states: keys and values of the whole batch, (L, 2, K, T, E).
        places: where in them its own tokens are.
    """

    index: int
    hidden_D: Tensor
    states: Tensor
    places: Tensor

    def load_states(self) -> Tensor:
        """Keys and values of its tokens, (L, 2, K, T, E)."""
        first, last = int(self.places[0]), int(self.places[-1])
        if last - first + 1 == len(self.places):
            return self.states[:, :, :, first : last + 1]
        return self.states.index_select(3, self.places)


def iterate_prompts(model: Any, prompts: Sequence[Tokens]) -> Iterator[Prompt]:
    """Every prompt (all different) once, computed in packed batches as they are needed.

    `model` is packable, without virtual tokens, and all its layers have keys and values of one
    shape.
    """
    for indices, batch in iterate_batches(model, prompts):
        device = next(model.parameters()).device
        starts = find_starts(batch)
        all_places = torch.tensor(batch.places, device=device)
        ends = [start + len(prompts[i]) - 1 for start, i in zip(starts, indices, strict=True)]
        asked = [batch.places[end] for end in ends]
        once = sorted(set(asked))
        with evaluation_mode(model):
            recorder = _Recorder()
            tensors = load_shared(batch, device, once)
            hidden_ND = compute_supervised_hidden(model, tensors, **_name(model, recorder))
            states = recorder.stack()
        for index, start, place in zip(indices, starts, asked, strict=True):
            own = all_places[start : start + len(prompts[index])]
            yield Prompt(index, hidden_ND[once.index(place)], states, own)


def _name(model: Any, recorder: _Recorder) -> dict[str, Any]:
    """The recorder under the decoder's name for a cache."""
    names = inspect.signature(model.base_model.forward).parameters
    return {"cache" if "cache" in names else "past_key_values": recorder}


class _Recorder:
    """Stands in for a Transformers cache: keeps what attention is given, and adds nothing to it."""

    def __init__(self) -> None:
        self._layers: dict[int, Tensor] = {}

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Nothing came before: positions are given by whoever packed."""
        return 0

    def update(
        self, key_1KTE: Tensor, value_1KTE: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Both as they come."""
        self._layers[layer_idx] = torch.cat([key_1KTE, value_1KTE])
        return key_1KTE, value_1KTE

    def stack(self) -> Tensor:
        """Shape (L, 2, K, T, E)."""
        return torch.stack([self._layers[index] for index in sorted(self._layers)])
