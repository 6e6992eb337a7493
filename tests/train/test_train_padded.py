"""Packed = padded: loss and gradients of Transformers' own labels path, by architecture."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers as tf
from small_models import SHAPE, make_rows

from assay.data.pack import build_batch
from assay.errors import TrainingError
from assay.models import forward
from assay.models.adapters import add_lora
from assay.models.forward import packed_mode
from assay.models.selftest import check_isolation
from assay.train.sft import SftLoss

BASE: dict[str, Any] = {**SHAPE, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
QWEN_LAYERS: dict[str, Any] = {
    "use_sliding_window": True,
    "sliding_window": 5,
    "max_window_layers": 1,
}
MODELS: dict[str, Callable[[], Any]] = {
    "llama": lambda: tf.LlamaForCausalLM(tf.LlamaConfig(**BASE)),
    "llama, one key head": lambda: tf.LlamaForCausalLM(
        tf.LlamaConfig(**{**BASE, "num_key_value_heads": 1, "tie_word_embeddings": True})
    ),
    "qwen2": lambda: tf.Qwen2ForCausalLM(tf.Qwen2Config(**BASE)),
    "qwen2, one windowed layer": lambda: tf.Qwen2ForCausalLM(tf.Qwen2Config(**BASE, **QWEN_LAYERS)),
    "qwen3": lambda: tf.Qwen3ForCausalLM(tf.Qwen3Config(**BASE, head_dim=8)),
    "mistral, windowed": lambda: tf.MistralForCausalLM(tf.MistralConfig(**BASE, sliding_window=6)),
    "gemma2, capped": lambda: tf.Gemma2ForCausalLM(
        tf.Gemma2Config(**BASE, head_dim=8, attn_logit_softcapping=2.0, final_logit_softcapping=0.5)
    ),
    "phi, a head with a bias": lambda: tf.PhiForCausalLM(tf.PhiConfig(**BASE)),
    "granite, scaled": lambda: tf.GraniteForCausalLM(tf.GraniteConfig(**BASE, logits_scaling=8.0)),
    "gemma": lambda: tf.GemmaForCausalLM(tf.GemmaConfig(**BASE, head_dim=8)),
}


def make(kind: str) -> Any:
    torch.manual_seed(0)
    model = MODELS[kind]()
    with torch.no_grad():  # random models attend almost evenly; sharper ones show a wrong mask
        for name, parameter in model.named_parameters():
            if "q_proj.weight" in name or "k_proj.weight" in name:
                parameter.mul_(8)
    return model


def padded_loss(model: Any, rows: list[tuple[list[int], list[float]]]) -> torch.Tensor:
    """Transformers' loss of a right-padded batch, labels -100 where nothing is trained."""
    width = max(len(ids) for ids, _ in rows)
    pad = [width - len(ids) for ids, _ in rows]
    loss: torch.Tensor = model(
        input_ids=torch.tensor([ids + [0] * p for (ids, _), p in zip(rows, pad, strict=True)]),
        attention_mask=torch.tensor(
            [[1] * len(ids) + [0] * p for (ids, _), p in zip(rows, pad, strict=True)]
        ),
        labels=torch.tensor(
            [
                [i if w else -100 for i, w in zip(*row, strict=True)] + [-100] * p
                for row, p in zip(rows, pad, strict=True)
            ]
        ),
        use_cache=False,
    ).loss
    return loss


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("kind", list(MODELS))
def test_packed_equals_padded(kind: str, lora: bool) -> None:
    rows = make_rows(7, seed=3)
    rows.insert(3, rows[2])  # equal lengths side by side share one attention call
    model: Any = make(kind)
    if lora:
        model = add_lora(model, rank=4, alpha=8.0).get_base_model()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(0, 0.05)
    expected = padded_loss(model, rows)
    expected.backward()  # type: ignore[no-untyped-call]
    plain = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    batch = build_batch([ids for ids, _ in rows], [mask for _, mask in rows])
    with packed_mode(model):
        loss = SftLoss()(model, batch) / batch.loss_weight
        loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    packed = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    assert packed.keys() == plain.keys()
    for name, grad in packed.items():
        torch.testing.assert_close(grad, plain[name], rtol=1e-4, atol=1e-5, msg=name)


def sequences() -> list[list[int]]:
    rng = random.Random(0)
    return [[rng.randrange(3, 61) for _ in range(n)] for n in (9, 9, 17, 4, 1)]


@pytest.mark.parametrize("kind", list(MODELS))
def test_the_self_test_accepts(kind: str) -> None:
    model = make(kind).train()
    before = model.config._attn_implementation
    assert check_isolation(model, sequences()) < 1e-4
    assert model.training
    assert model.config._attn_implementation == before


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a router loss": (
        lambda: tf.MixtralForCausalLM(
            tf.MixtralConfig(**BASE, num_local_experts=2, output_router_logits=True)
        ),
        "router loss",
    ),
}


@pytest.mark.parametrize("kind", list(REFUSED))
def test_the_self_test_refuses_what_it_cannot_reproduce(kind: str) -> None:
    torch.manual_seed(0)
    build, reason = REFUSED[kind]
    model = build().train()
    with pytest.raises(TrainingError, match=reason):
        check_isolation(model, sequences())
    assert model.training


def test_state_that_leaks_from_a_model_that_does_not_say_so_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tf.MambaConfig(vocab_size=61, hidden_size=32, num_hidden_layers=2, state_size=4)
    torch.manual_seed(0)
    model = tf.MambaForCausalLM(config)
    monkeypatch.setattr(forward, "is_packable", lambda model: True)
    with pytest.raises(TrainingError, match="isolation self-test failed"):
        check_isolation(model, sequences())


def test_an_attention_that_ignores_borders_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain causal attention over the whole batch, as a user's own modeling code might do it."""
    model = make("llama")
    decoder = model.model
    whole = decoder.forward

    def forgetful(*args: Any, sequence_lengths: Any = None, **kwargs: Any) -> Any:
        return whole(*args, sequence_lengths=None, **kwargs)

    monkeypatch.setattr(decoder, "forward", forgetful)
    with pytest.raises(TrainingError, match="isolation self-test failed"):
        check_isolation(model, sequences())
