"""Small models over bytes: random ones, and one that recites."""

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

SHAPE: dict[str, Any] = {
    "vocab_size": 258,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": None,
    "eos_token_id": 256,
    "pad_token_id": 257,
}


def make_model(kind: str = "llama", *, sharpness: float = 30.0) -> Any:
    torch.manual_seed(0)
    if kind == "llama":
        model: Any = LlamaForCausalLM(LlamaConfig(**SHAPE))
    else:
        model = MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=7))
    with torch.no_grad():
        model.lm_head.weight.mul_(sharpness)
        for name, parameter in model.named_parameters():
            if "q_proj" in name or "k_proj" in name:
                parameter.mul_(8)  # attention that is not even, so that a wrong mask shows
    return model.eval()


def make_prompts(num: int = 7) -> list[list[int]]:
    generator = torch.Generator().manual_seed(3)
    lengths = torch.randint(1, 25, (num,), generator=generator).tolist()
    return [torch.randint(256, (n,), generator=generator).tolist() for n in lengths]


class Recital(torch.nn.Module):
    """A model that recites: after `n` tokens in its cache it is sure of ``text[n]``."""

    def __init__(self, text: list[int]) -> None:
        super().__init__()
        self.text = text
        self.config = LlamaConfig(**SHAPE)
        self.table = torch.nn.Embedding(258, 1)

    def get_input_embeddings(self) -> torch.nn.Embedding:
        return self.table

    def forward(self, position_ids: torch.Tensor, **kwargs: Any) -> Any:
        logits = torch.zeros(len(position_ids), 1, 258)
        for row, last in enumerate(position_ids[:, -1].tolist()):
            logits[row, 0, self.text[last]] = 50.0
        return type("Output", (), {"logits": logits})
