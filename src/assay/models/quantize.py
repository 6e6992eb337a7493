"""Bases held in four or eight bits by way of bitsandbytes, and made plain again for merging.

Only the linear layers are quantised; embeddings, norms and the output head stay as they are. What
tuning needs beside (a frozen base, adapters in float32) `add_lora` does for every base.
"""

from __future__ import annotations

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from assay.errors import Problem

if TYPE_CHECKING:
    import torch

PACKAGE = "bitsandbytes"
EIGHT_BIT_OPTIMIZERS = ("adamw_8bit", "paged_adamw_8bit")


@dataclass(frozen=True)
class Quantization:
    """How a base's linear layers are held (Dettmers et al. 2022 for int8, 2023 for the others).

    `double` also quantises the scales of the four-bit kinds. `dtype`, ``auto``, ``fp32``
    or ``bf16``, is that of computing and of all weights that are not quantised.
    """

    kind: Literal["nf4", "fp4", "int8"] = "nf4"
    double: bool = True
    dtype: str = "auto"


def find_missing_package() -> Problem | None:
    """The problem of a quantised base where bitsandbytes is not installed; it is not imported."""
    return _describe_missing("method", "qlora", "set method.type to lora")


def find_missing_for_export(dtype: str) -> Problem | None:
    """The same of an export in few bits."""
    return _describe_missing("--dtype", dtype, "choose fp32 or bf16")


def find_missing_optimizer_package(optimizer: str) -> Problem | None:
    """The same of an optimizer, by its name, whose state is held in eight bits."""
    if optimizer not in EIGHT_BIT_OPTIMIZERS:
        return None
    return _describe_missing("train.optimizer", optimizer, "set train.optimizer to adamw")


def _describe_missing(key: str, wanted: str, instead: str) -> Problem | None:
    if find_spec(PACKAGE) is not None:
        return None
    return Problem(
        key=key,
        got=f"{wanted} without {PACKAGE}, which is not installed",
        allowed=f"{wanted} where {PACKAGE} is installed",
        do=f"pip install {PACKAGE}, or {instead}",
    )


def build_quantization_config(quantization: Quantization, dtype: torch.dtype) -> Any:
    """Transformers' `BitsAndBytesConfig` that computes in `dtype`."""
    from transformers import BitsAndBytesConfig

    if quantization.kind == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=quantization.kind,
        bnb_4bit_use_double_quant=quantization.double,
        bnb_4bit_compute_dtype=dtype,
    )


def import_bitsandbytes() -> None:
    """Import bitsandbytes, where it is installed, in a thread that knows no model.

    It keeps the exception of a device that it has no library for, and that keeps every frame below
    the import, and what they hold: the base would never be freed.
    """
    if find_spec(PACKAGE):
        with ThreadPoolExecutor(1) as apart:
            apart.submit(import_module, PACKAGE).exception()


def keep_trainable(model: Any) -> Any:
    """Keep a quantised model in the one form that also has a backward pass.

    On some processors bitsandbytes repacks four-bit weights at the first evaluation, for good: in
    that form they compute in bfloat16 and without gradients, and training would learn nothing.
    """
    # Said at every eight-bit product whose inputs are not float16.
    logging.getLogger(f"{PACKAGE}.autograd._functions").setLevel(logging.ERROR)
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def unwrap_packed(model: Any, device: torch.device) -> None:
    """Make four-bit weights plain integer parameters in place; their scales stay with the layers.

    So they can be spread over processes (`assay.train.shard`) like any weight: what is gathered
    again is no tensor of bitsandbytes', and its layers then look for the scales at themselves. The
    scales go to `device`, where the weights will be.
    """
    from torch import nn

    for module in model.modules():
        # Of the layer itself: PEFT's wrappers show its weight as if it were their own.
        state = getattr(module._parameters.get("weight"), "quant_state", None)
        if state is not None:
            state.to(device)
            module.quant_state = state
            module.weight = nn.Parameter(module.weight.data, requires_grad=False)


def count_weights(model: Any) -> int:
    """Weights of a model; one in four bits holds two in each element of its parameter."""
    packed = {
        id(module.weight): math.prod(state.shape)
        for module in model.modules()
        if module._parameters.get("weight") is not None
        and (state := getattr(module.weight, "quant_state", getattr(module, "quant_state", None)))
    }
    return sum(packed.get(id(p), p.numel()) for p in model.parameters())


def get_quant_state(layer: Any) -> Any:
    """The scales of a four-bit layer, whose weight may have been gathered from its parts."""
    return getattr(layer.weight, "quant_state", None) or layer.quant_state


def dequantize(model: Any) -> Any:
    """`model` in place as plain float32 weights: exactly the values that its layers stand for.

    Merging into these loses nothing, while merging into four-bit weights would round again.
    """
    import torch

    # It says in which dtype it dequantises, which is told here.
    logging.getLogger("transformers.integrations.bitsandbytes").setLevel(logging.ERROR)
    return model.dequantize(dtype=torch.float32).to(torch.float32).eval()
