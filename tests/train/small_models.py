"""Small random models and rows for the training core."""

import random
from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

SHAPE: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
KINDS: dict[str, Callable[[], Any]] = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE, tie_word_embeddings=True)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE)),
    "mistral with a window": lambda: MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=6)),
}


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
