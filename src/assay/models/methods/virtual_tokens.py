"""Virtual tokens (prompt, prefix and P-tuning): put in before each sequence where a decoder begins.

PEFT puts them in within its own forward pass, one at the start of each row. Here they come in where
the decoder of the causal model begins, so that whatever runs it has them: packed sequences each
their own, rows of a batch, and decoding with a cache, whose first pass leaves them there.

Shape legend: B rows, T tokens of a batch, P virtual tokens, U = T + P for each sequence, D hidden
size, K key heads, E head size.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor

from assay.models.fast.last_layer import POSITIONS

STATE_TYPES = ("CARTRIDGE", "PREFIX_TUNING")
"""Methods whose virtual tokens are keys and values of every layer, and not embeddings."""
_ENCODER = "prompt_encoder"


def put_in_virtual_tokens(peft_model: Any) -> Any:
    """`peft_model`, whose causal model has the method's virtual tokens in it from now on.

    Their weights become the decoder's, as ``prompt_encoder``. PEFT's own forward pass, which puts
    them in itself, stays what it is. A method without virtual tokens is left alone.
    """
    if not peft_model.active_peft_config.is_prompt_learning:
        return peft_model
    decoder = peft_model.get_base_model().base_model
    tokens = VirtualTokens(peft_model, decoder.forward)
    decoder.add_module(_ENCODER, peft_model.prompt_encoder)
    decoder.forward = tokens
    peft_model.register_forward_pre_hook(lambda *_: tokens.enable_adapters(False))
    peft_model.register_forward_hook(lambda *_: tokens.enable_adapters(True), always_call=True)
    return peft_model


def take_out_virtual_tokens(model: Any) -> None:
    """Leave a causal model as it was before `put_in_virtual_tokens`."""
    if find_virtual_tokens(model) is not None:
        del model.base_model.forward
        delattr(model.base_model, _ENCODER)


def find_virtual_tokens(model: Any) -> VirtualTokens | None:
    """What puts virtual tokens into a causal model; None where nothing does."""
    found = vars(model.base_model).get("forward")
    return found if isinstance(found, VirtualTokens) else None


class VirtualTokens:
    """The forward pass of a decoder, `own`, with the virtual tokens of `peft_model` in it.

    What it returns is of the real tokens alone.
    """

    def __init__(self, peft_model: Any, own: Callable[..., Any]) -> None:
        config = peft_model.active_peft_config
        self.num = int(config.num_virtual_tokens)
        self._are_states = config.peft_type in STATE_TYPES
        self._peft_model = peft_model
        self._own = own
        self._is_on = True
        self._begun: WeakSet[Any] = WeakSet()
        names = inspect.signature(own).parameters
        self._cache_name = "cache" if "cache" in names else "past_key_values"

    @property
    def disable_adapters(self) -> bool:
        """Whether the virtual tokens are left out, by the name that PEFT's layers have for it."""
        return not self._is_on

    def enable_adapters(self, enabled: bool) -> None:
        """Put the virtual tokens in, or not."""
        self._is_on = enabled

    def __call__(self, input_ids: Tensor | None = None, **kwargs: Any) -> Any:
        if not self._is_on:
            return self._own(input_ids, **kwargs)
        if kwargs.get("position_ids") is not None:
            kwargs["position_ids"] = kwargs["position_ids"] + self.num
        if kwargs.get("sequence_lengths"):
            run = self._run_packed_states if self._are_states else self._run_packed
            return run(input_ids, kwargs)
        return self._run_rows(input_ids, kwargs)

    def _embed(self, input_ids: Tensor | None, kwargs: dict[str, Any]) -> Tensor:
        given: Tensor | None = kwargs.pop("inputs_embeds", None)
        if given is not None:
            return given
        embedded: Tensor = self._peft_model.get_base_model().get_input_embeddings()(input_ids)
        return embedded

    def _run_packed(self, input_ids_1T: Tensor | None, kwargs: dict[str, Any]) -> Any:
        """Embeddings before each sequence, at positions 0 to P - 1 of each."""
        embeds_1TD = self._embed(input_ids_1T, kwargs)
        lengths: list[int] = list(kwargs.pop("sequence_lengths"))
        prompt_1PD = self._peft_model.get_prompt(1).to(embeds_1TD)
        real_T = find_real_places(lengths, self.num, embeds_1TD.device)
        if kwargs.get("position_ids") is not None:
            first = torch.arange(self.num, device=embeds_1TD.device)[None]
            kwargs["position_ids"] = put_before_each(first, kwargs["position_ids"], lengths)
        if kwargs.get(POSITIONS) is not None:
            kwargs[POSITIONS] = real_T[kwargs[POSITIONS]]
        output = self._own(
            inputs_embeds=put_before_each(prompt_1PD, embeds_1TD, lengths),
            sequence_lengths=[length + self.num for length in lengths],
            **kwargs,
        )
        hidden_1UD = output.last_hidden_state
        # The last layer may have left all but the supervised positions out.
        if hidden_1UD.shape[1] == len(real_T) + self.num * len(lengths):
            output.last_hidden_state = hidden_1UD[:, real_T]
        return output

    def _run_packed_states(self, input_ids_1T: Tensor | None, kwargs: dict[str, Any]) -> Any:
        """Keys and values before those of each sequence, in every layer."""
        kwargs |= {
            "use_cache": False,
            self._cache_name: PackedStates(
                self._peft_model.get_prompt(1), kwargs["sequence_lengths"]
            ),
        }
        return self._own(input_ids_1T, **kwargs)

    def _run_rows(self, input_ids_BT: Tensor | None, kwargs: dict[str, Any]) -> Any:
        """Rows of a batch, padded on the left or not; later passes with a cache find them there."""
        like = kwargs.get("inputs_embeds") if input_ids_BT is None else input_ids_BT
        assert like is not None
        num_rows, mask_BT = like.shape[0], kwargs.get("attention_mask")
        if mask_BT is not None:
            kwargs["attention_mask"] = torch.cat([mask_BT.new_ones(num_rows, self.num), mask_BT], 1)
        cache = kwargs.get(self._cache_name)
        if cache is not None and cache in self._begun:
            return self._own(input_ids_BT, **kwargs)
        if cache is not None:
            self._begun.add(cache)
        if self._are_states:
            kwargs[self._cache_name] = self._fill(cache, num_rows)
            return self._own(input_ids_BT, **kwargs)
        embeds_BTD = self._embed(input_ids_BT, kwargs)
        prompt_BPD = self._peft_model.get_prompt(num_rows).to(embeds_BTD)
        if kwargs.get("position_ids") is not None:
            first_BP = torch.arange(self.num, device=embeds_BTD.device).expand(num_rows, -1)
            kwargs["position_ids"] = torch.cat(
                [first_BP, kwargs["position_ids"].expand(num_rows, -1)], 1
            )
        output = self._own(inputs_embeds=torch.cat([prompt_BPD, embeds_BTD], 1), **kwargs)
        output.last_hidden_state = output.last_hidden_state[:, self.num :]
        return output

    def _fill(self, cache: Any, num_rows: int) -> Any:
        """`cache`, which is empty, with the virtual states in it; PEFT's own cache where None."""
        states = self._peft_model.get_prompt(num_rows)
        if cache is None:
            return states
        for index, layer in enumerate(states.layers):
            cache.update(layer.keys, layer.values, index)
        return cache


class PackedStates:
    """Stands in for a Transformers cache: puts each layer's virtual states before each sequence."""

    def __init__(self, states: Any, lengths: Sequence[int]) -> None:
        self._states = states
        self._lengths = list(lengths)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Nothing came before: positions are given by whoever packed."""
        return 0

    def update(
        self, key_1KTE: Tensor, value_1KTE: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Keys and values of shapes (1, K, U, E)."""
        layer = self._states.layers[layer_idx]
        key_1KUE, value_1KUE = (
            put_before_each(first.to(x), x, self._lengths, dim=2)
            for first, x in ((layer.keys, key_1KTE), (layer.values, value_1KTE))
        )
        return key_1KUE, value_1KUE


def put_before_each(first: Tensor, x: Tensor, lengths: Sequence[int], *, dim: int = 1) -> Tensor:
    """`x`, sequences end to end along `dim`, with `first` before each of them."""
    parts = torch.split(x, list(lengths), dim)
    return torch.cat([piece for part in parts for piece in (first, part)], dim)


def find_real_places(lengths: Sequence[int], num_before: int, device: torch.device) -> Tensor:
    """Where the T real tokens are once `num_before` virtual ones stand before each sequence."""
    sizes = torch.tensor(list(lengths), device=device)
    number_T = torch.arange(len(lengths), device=device).repeat_interleave(sizes)
    return torch.arange(int(sum(lengths)), device=device) + (number_T + 1) * num_before
