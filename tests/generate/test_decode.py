"""Decoding on every architecture: as Transformers does it, by the lean path or the model's own."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from byte_models import make_model as make_byte_model
from byte_models import make_prompts as make_byte_prompts
from peft import LoraConfig, get_peft_model
from small_models import KINDS, make_model

from assay.chat import ChatTokenizer
from assay.generate import Sampling
from assay.generate.lean import Lean
from assay.generate.local import LocalEngine
from assay.generate.trial import build_lean
from assay.models.forward import packed_mode

LEAN = {"llama", "qwen2", "qwen3", "mistral with a window", "mixtral", "qwen3 moe"}


def make_sharp(kind: str) -> Any:
    """Logits far enough apart that greedy has no near ties, and attention that is not even."""
    model = make_model(kind).eval()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(30)
        for name, parameter in model.named_parameters():
            if "q_proj" in name or "k_proj" in name:
                parameter.mul_(6)
    return model


def make_prompts() -> list[list[int]]:
    rng = random.Random(1)
    begun = [rng.randrange(3, 61) for _ in range(9)]
    prompts = [[rng.randrange(3, 61) for _ in range(rng.randint(1, 20))] for _ in range(4)]
    return [*prompts, *([*begun, rng.randrange(3, 61)] for _ in range(3)), begun, begun]


@torch.no_grad()
def generate_plainly(model: Any, prompt: list[int], num: int) -> list[int]:
    ids = torch.tensor([prompt])
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=num,
        eos_token_id=999,
        do_sample=False,
        pad_token_id=0,
    )
    found: list[int] = out[0, len(prompt) :].tolist()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_equals_transformers_on_every_architecture(
    tokenizer: ChatTokenizer, kind: str
) -> None:
    """Completions outgrow the windows, and prompts share their beginnings or all of themselves."""
    model, prompts = make_sharp(kind), make_prompts()
    assert isinstance(build_lean(model), Lean) == (kind in LEAN)
    sampling = Sampling(max_new_tokens=10, stop_ids=(999,))
    found = LocalEngine(model, tokenizer, batch_size=4).generate(prompts, sampling)
    for prompt, generation in zip(prompts, found, strict=True):
        assert generation.token_ids == generate_plainly(model, prompt, 10)


@pytest.mark.parametrize(
    "kind", ["llama", "qwen3", "mistral with a window", "gemma2 with soft caps"]
)
@pytest.mark.parametrize("adapted", [False, True])
def test_logprobs_are_those_of_a_fresh_pass(
    tokenizer: ChatTokenizer, kind: str, adapted: bool
) -> None:
    """With an adapter too, switched off and on again, and after its weights have changed."""
    model, prompts = make_model(kind).eval(), make_prompts()
    if adapted:
        config = LoraConfig(r=4, target_modules="all-linear", lora_dropout=0.1)
        model = get_peft_model(model, config).get_base_model().eval()
    engine = LocalEngine(model, tokenizer, batch_size=5)
    sampling = Sampling(max_new_tokens=8, temperature=1.0, seed=5, stop_ids=(999,))
    seen = []
    for step in range(3 if adapted else 1):
        if step:
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    if "lora_B" in name:
                        parameter.add_(torch.randn_like(parameter), alpha=0.3)
        found = engine.generate(prompts, sampling)
        seen.append([g.token_ids for g in found])
        check_logprobs(model, prompts, found)
        with engine.adapters_off():
            base = engine.generate(prompts, sampling)
            check_logprobs(model, prompts, base)
        assert [g.token_ids for g in base] == seen[0]
    assert len({str(one) for one in seen}) == len(seen)


@torch.no_grad()
def check_logprobs(model: Any, prompts: list[list[int]], found: list[Any]) -> None:
    for prompt, generation in zip(prompts, found, strict=True):
        ids = prompt + generation.token_ids
        logprobs = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        expected = [float(logprobs[i - 1, ids[i]]) for i in range(len(prompt), len(ids))]
        assert generation.logprobs == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("kind", ["llama", "gemma2 with soft caps", "mamba"])
@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_a_sample_depends_on_neither_neighbours_nor_their_order(
    tokenizer: ChatTokenizer, kind: str, batch_size: int
) -> None:
    model, prompts = make_model(kind).eval(), make_prompts()
    sampling = Sampling(12, temperature=1.3, top_p=0.9, seed=3, stop_ids=(7, 8, 9, 10, 11))
    reference = LocalEngine(model, tokenizer, batch_size=5).generate(prompts, sampling)
    order = list(range(len(prompts)))
    random.Random(batch_size).shuffle(order)
    found = LocalEngine(model, tokenizer, batch_size=batch_size).generate(
        [prompts[place] for place in order], sampling, places=order
    )
    for place, generation in zip(order, found, strict=True):
        assert generation.token_ids == reference[place].token_ids
        assert generation.logprobs == pytest.approx(reference[place].logprobs, abs=1e-5)
    assert len({g.finish_reason for g in reference}) == 2, "rows leave at different times"


@pytest.mark.parametrize("kind", ["llama", "gemma2 with soft caps", "mamba"])
def test_it_decodes_within_training_as_outside(tokenizer: ChatTokenizer, kind: str) -> None:
    """There the model has packed attention and the fast path, which are not changes to it."""
    model, prompts = make_sharp(kind), make_prompts()
    engine, sampling = LocalEngine(model, tokenizer), Sampling(6, stop_ids=(999,))
    expected = [g.token_ids for g in engine.generate(prompts, sampling)]
    attention = model.config._attn_implementation
    with packed_mode(model.train()):
        assert isinstance(build_lean(model), Lean) == (kind in LEAN)
        assert [g.token_ids for g in engine.generate(prompts, sampling)] == expected
    assert model.training and model.config._attn_implementation == attention


@contextmanager
def pushed(model: Any) -> Iterator[None]:
    """As steering does: a hook that adds to what a layer gives."""
    hook = model.model.layers[0].register_forward_hook(
        lambda module, inputs, output: output + torch.linspace(-1, 1, output.shape[-1])
    )
    yield
    hook.remove()


def test_what_hooks_do_is_done(tokenizer: ChatTokenizer) -> None:
    model, prompts = make_sharp("llama"), make_prompts()
    engine, sampling = LocalEngine(model, tokenizer), Sampling(6, stop_ids=(999,))
    plain = [g.token_ids for g in engine.generate(prompts, sampling)]
    with pushed(model):
        assert "hooks" in str(build_lean(model))
        found = [g.token_ids for g in engine.generate(prompts, sampling)]
        assert found == [generate_plainly(model, prompt, 6) for prompt in prompts] != plain
    assert [g.token_ids for g in engine.generate(prompts, sampling)] == plain


def test_another_architecture_of_the_same_parts_is_found_out() -> None:
    """Granite scales its residuals; nothing but a trial tells."""
    from small_models import SHAPE
    from transformers import GraniteConfig, GraniteForCausalLM

    torch.manual_seed(0)
    model = GraniteForCausalLM(GraniteConfig(**SHAPE, residual_multiplier=0.5)).eval()
    assert build_lean(model) == "another architecture"


@pytest.mark.parametrize("cast", [torch.bfloat16])
def test_half_precision_decodes_as_its_own_forward_pass(
    tokenizer: ChatTokenizer, cast: torch.dtype
) -> None:
    model = make_byte_model().to(cast)
    assert isinstance(build_lean(model), Lean)
    prompts = make_byte_prompts()
    found = LocalEngine(model, tokenizer).generate(prompts, Sampling(5, stop_ids=(256,)))
    for prompt, generation in zip(prompts, found, strict=True):
        ids = torch.tensor([prompt + generation.token_ids])
        with torch.no_grad():
            logprobs = model(input_ids=ids).logits[0].float().log_softmax(-1)
        for place, token in enumerate(generation.token_ids, start=len(prompt)):
            best = float(logprobs[place - 1].max())
            assert float(logprobs[place - 1, token]) > best - 0.3
