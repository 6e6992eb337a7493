"""Small random models and rows for the training core."""

import random
from collections.abc import Callable
from typing import Any

import torch
import transformers as hf

SHAPE: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
HEADS_OF_8: dict[str, Any] = {**SHAPE, "head_dim": 8}
TOKENS: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
EXPERTS: dict[str, Any] = {"num_experts_per_tok": 2, "sliding_window": None}
WINDOW: dict[str, Any] = {"sliding_window": 6, "query_pre_attn_scalar": 8}
NO_DROPOUT = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
GPT2: dict[str, Any] = {"vocab_size": 61, "n_embd": 32, "n_layer": 2, "n_head": 4}
MAMBA: dict[str, Any] = {"vocab_size": 61, "hidden_size": 32, "num_hidden_layers": 2}


def _build_llama() -> Any:
    return hf.LlamaForCausalLM(hf.LlamaConfig(**SHAPE, tie_word_embeddings=True))


def _build_mistral() -> Any:
    return hf.MistralForCausalLM(hf.MistralConfig(**SHAPE, sliding_window=6))


def _build_gemma3() -> Any:
    kinds = ["sliding_attention", "full_attention"]
    return hf.Gemma3ForCausalLM(hf.Gemma3TextConfig(**HEADS_OF_8, **WINDOW, layer_types=kinds))


def _build_phi() -> Any:
    model = hf.PhiForCausalLM(hf.PhiConfig(**SHAPE))
    torch.nn.init.normal_(model.lm_head.bias)
    return model


def _build_mixtral() -> Any:
    return hf.MixtralForCausalLM(hf.MixtralConfig(**SHAPE, **EXPERTS, num_local_experts=4))


def _build_qwen_moe() -> Any:
    config = hf.Qwen3MoeConfig(**HEADS_OF_8, **EXPERTS, num_experts=4, moe_intermediate_size=16)
    return hf.Qwen3MoeForCausalLM(config)


def _build_lfm2() -> Any:
    return hf.Lfm2ForCausalLM(hf.Lfm2Config(**SHAPE, layer_types=["conv", "full_attention"]))


KINDS: dict[str, Callable[[], Any]] = {
    "llama": _build_llama,
    "qwen2": lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**SHAPE)),
    "qwen3": lambda: hf.Qwen3ForCausalLM(hf.Qwen3Config(**HEADS_OF_8)),
    "mistral with a window": _build_mistral,
    "gemma2 with soft caps": lambda: hf.Gemma2ForCausalLM(hf.Gemma2Config(**HEADS_OF_8, **WINDOW)),
    "gemma3": _build_gemma3,
    "phi with a biased head": _build_phi,
    "gpt2": lambda: hf.GPT2LMHeadModel(hf.GPT2Config(**GPT2, n_positions=128, **NO_DROPOUT)),
    "cohere with a scale": lambda: hf.CohereForCausalLM(hf.CohereConfig(**SHAPE, **TOKENS)),
    "mixtral": _build_mixtral,
    "qwen3 moe": _build_qwen_moe,
    "mamba": lambda: hf.MambaForCausalLM(hf.MambaConfig(**MAMBA, state_size=8)),
    "lfm2": _build_lfm2,
}
STATEFUL = ("mamba", "lfm2")
"""Their layers carry state from token to token, so that no two sequences share a pass."""


def make_model(kind: str = "llama") -> Any:
    torch.manual_seed(0)
    return KINDS[kind]()


def make_rows(num: int = 12, *, seed: int = 0) -> list[tuple[list[int], list[float]]]:
    rng = random.Random(seed)
    rows = []
    for _ in range(num):
        length = rng.randint(4, 24)
        ids = [rng.randrange(61) for _ in range(length)]
        rows.append((ids, [float(i >= length // 2) for i in range(length)]))
    return rows
