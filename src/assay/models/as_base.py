"""A tuned model as its base for a while: whatever tuning put beside the base's weights is off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from assay.models.methods.virtual_tokens import find_virtual_tokens


@contextmanager
def adapters_off(model: Any) -> Iterator[None]:
    """`model` as its base for a while: adapters, their dropout and NEFTune's noise are off.

    So are virtual tokens, and the copies of whole modules that PEFT trains in their place. A model
    whose own weights were tuned stays what it is. Within another of its kind it does nothing more.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    kinds = (BaseTunerLayer, AuxiliaryTrainingWrapper)
    layers: list[Any] = [module for module in model.modules() if isinstance(module, kinds)]
    tokens = find_virtual_tokens(model)
    layers += [] if tokens is None else [tokens]
    layers = [layer for layer in layers if not layer.disable_adapters]
    training = model.training
    model.eval()
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)
        model.train(training)
