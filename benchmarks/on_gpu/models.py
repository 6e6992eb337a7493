"""Random-weight Llamas of any size, made on the device a layer at a time, and quantised as made.

A model of 70 billion weights is 140 GB in bfloat16 and 37 GB in four bits; only one of its layers
is ever there in bfloat16. Every trainer is given the same weights, from the same seed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from benchmarks.workloads import ALPHA, RANK, TARGETS

STANDARD_DEVIATION = 0.02
LEARNING_RATE = 1e-4


def build_for(spec: dict[str, Any]) -> Any:
    """The model of a workload, in the format that its weights are trained or frozen in."""
    return build_model(
        spec["sizes"],
        dtype=torch.float32 if spec["method"] == "full" else torch.bfloat16,
        device=torch.device(spec["device"]),
        quantised=spec["method"] == "qlora",
    )


def build_with_peft(spec: dict[str, Any]) -> Any:
    """The same with PEFT's adapters where the method has them, from the start that all take."""
    model = build_for(spec)
    if spec["method"] == "full":
        return model
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        target_modules=list(TARGETS),
        task_type="CAUSAL_LM",
        lora_dropout=0.0,
    )
    model.enable_input_require_grads()
    wrapped = get_peft_model(model, config)
    set_start(wrapped)
    return wrapped


@torch.no_grad()
def set_start(model: Any) -> None:
    """Give every adapter the same start, whoever made it, so that losses can be compared.

    A is uniform by Kaiming's rule, from one seed in the order of names; B is 0 already.
    """
    generator = torch.Generator().manual_seed(1)
    adapters = {
        name.removeprefix("base_model.model."): parameter
        for name, parameter in model.named_parameters()
        if ".lora_A." in name
    }
    for name in sorted(adapters):
        size = adapters[name].shape
        drawn = (torch.rand(*size, generator=generator) * 2 - 1) / size[1] ** 0.5
        adapters[name].copy_(drawn)


def build_model(
    sizes: dict[str, int], *, dtype: torch.dtype, device: torch.device, quantised: bool = False
) -> Any:
    """A `LlamaForCausalLM` on `device`: matrices normal, norms one; NF4 layers if `quantised`."""
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    config = LlamaConfig(
        **sizes,
        max_position_embeddings=32_768,
        tie_word_embeddings=False,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        dtype=dtype,
    )
    with torch.device("meta"):
        model = LlamaForCausalLM(config).to(dtype)
    torch.manual_seed(0)
    with torch.device(device):
        model.model.rotary_emb = LlamaRotaryEmbedding(config)
    for part in (model.model.embed_tokens, model.lm_head, model.model.norm):
        _fill(part, device)
    for layer in model.model.layers:
        _fill(layer, device)
        if quantised:
            _quantise(layer, dtype)
    # PEFT looks here for which kind of adapter layer it takes.
    model.is_loaded_in_4bit = quantised
    return model


@torch.no_grad()
def _fill(module: nn.Module, device: torch.device) -> None:
    module.to_empty(device=device)
    for parameter in module.parameters():
        if parameter.ndim == 1:
            parameter.fill_(1.0)
        else:
            parameter.normal_(std=STANDARD_DEVIATION)


def _quantise(layer: nn.Module, dtype: torch.dtype) -> None:
    """Replace the linear layers of `layer` by NF4 ones with double quantisation."""
    from bitsandbytes.nn import Linear4bit, Params4bit

    for name, linear in list(layer.named_modules()):
        if not isinstance(linear, nn.Linear):
            continue
        device = linear.weight.device
        with torch.device("meta"):
            small = Linear4bit(
                linear.in_features,
                linear.out_features,
                bias=False,
                compute_dtype=dtype,
                compress_statistics=True,
                quant_type="nf4",
            )
        small.weight = Params4bit(
            linear.weight.data,
            requires_grad=False,
            compress_statistics=True,
            quant_type="nf4",
            module=small,
        ).to(device)
        parent = layer.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], small)
        del linear
