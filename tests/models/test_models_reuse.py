"""Cached activations equal recomputed ones: losses, gradients and bits, in memory and in a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from assay.data.pack import build_batch
from assay.models.forward import packed_mode
from assay.models.reuse import ActivationStore, find_frozen_depth, reused
from assay.models.reuse_fill import count_bytes, fill_store
from assay.train.sft import SftLoss

SHAPE: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
}
MODELS: dict[str, Callable[..., Any]] = {
    "llama": lambda **more: LlamaForCausalLM(LlamaConfig(**SHAPE, **more)),
    "qwen3": lambda **more: Qwen3ForCausalLM(Qwen3Config(**SHAPE, **more)),
    "gemma3": lambda **more: Gemma3ForCausalLM(Gemma3TextConfig(**SHAPE, sliding_window=4, **more)),
}
ROWS = [[3, 17, 42, 8, 25, 60], [1, 9, 30], [5, 6, 7, 8], [3, 17, 42, 8, 25, 60]]
MASKS = [[float(place > 1) for place in range(len(ids))] for ids in ROWS]


def make(kind: str, first: int, **more: Any) -> Any:
    """A model with adapters in its layers from `first` on."""
    torch.manual_seed(0)
    names = [f"layers.{layer}.mlp.up_proj" for layer in range(first, 4)]
    config = LoraConfig(r=4, target_modules=names, task_type="CAUSAL_LM")
    model = get_peft_model(MODELS[kind](**more), config).get_base_model().train()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def fill(model: Any, **options: Any) -> ActivationStore:
    depth = find_frozen_depth(model)
    with packed_mode(model):
        return fill_store(model, ROWS, depth=depth, token_budget=8, **options)


def measure(
    model: Any, store: ActivationStore | None, rows: list[int]
) -> tuple[float, dict[str, torch.Tensor], int]:
    """Loss, gradients, and how many passes the lowest layer's attention made."""
    batch = build_batch([ROWS[i] for i in rows], [MASKS[i] for i in rows])
    passes: list[int] = []
    hook = model.model.layers[0].self_attn.register_forward_hook(lambda *args: passes.append(1))
    model.zero_grad()
    with packed_mode(model), reused(model, store):
        loss = SftLoss()(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
    hook.remove()
    grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return float(loss.detach()), grads, len(passes)


@pytest.mark.parametrize("first", [1, 3])
@pytest.mark.parametrize("kind", MODELS)
def test_losses_and_gradients_equal_those_computed_anew(
    kind: str, first: int, tmp_path: Path
) -> None:
    model = make(kind, first)
    assert find_frozen_depth(model) == first
    for store in (fill(model), fill(model, file=tmp_path / "deep" / "states.bin")):
        for rows in ([0, 1, 2], [2], [3, 1]):
            expected, grads, passes = measure(model, None, rows)
            assert passes == 1
            found, found_grads, passes = measure(model, store, rows)
            assert passes == 0
            assert found == pytest.approx(expected, rel=1e-5)
            for name, grad in grads.items():
                torch.testing.assert_close(found_grads[name], grad, rtol=1e-4, atol=1e-5, msg=name)


def test_a_store_filled_again_gives_the_same_bits() -> None:
    """So a resumed run, which fills it anew, goes on as if it had not stopped."""
    model = make("llama", 2)
    with torch.no_grad():
        first = fill(model)
        for name, parameter in model.named_parameters():
            if "lora" in name:
                parameter.add_(0.1)
        second = fill(model)
    for ids in ROWS:
        a, b = first.find(ids, [len(ids)]), second.find(ids, [len(ids)])
        assert a is not None
        assert b is not None
        assert torch.equal(a, b)


def test_unknown_sequences_are_computed_and_the_model_is_left_as_it_was() -> None:
    model = make("llama", 2)
    store = fill(model)
    assert store.find([9, 9], [2]) is None
    batch = build_batch([ROWS[0], [9, 9, 9]], [MASKS[0], [0.0, 1.0, 1.0]])
    with packed_mode(model):
        expected = SftLoss()(model, batch)
        with reused(model, store):
            found = SftLoss()(model, batch)
    assert torch.equal(found, expected)
    assert not any("forward" in module.__dict__ for module in model.modules())
    assert not model.model._forward_pre_hooks


def test_equal_sequences_are_held_once() -> None:
    model = make("llama", 2)
    different = len(ROWS[0]) + len(ROWS[1]) + len(ROWS[2])
    assert count_bytes(model, ROWS) == different * 32 * 4
    assert len(fill(model)._hidden_TD) == different


def test_where_every_pass_differs_nothing_can_be_reused() -> None:
    assert find_frozen_depth(make("llama", 2, attention_dropout=0.1)) == 0
    assert find_frozen_depth(make("llama", 0)) == 0
    model = make("llama", 2)
    model.get_input_embeddings().weight.requires_grad_(True)
    assert find_frozen_depth(model) == 0
    frozen = make("llama", 2)
    frozen.model.norm.weight.requires_grad_(True)
    assert find_frozen_depth(frozen) == 2
