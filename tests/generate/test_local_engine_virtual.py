"""The engine with virtual tokens before each prompt: as PEFT's own pass has them, in any batch."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.chat import load_chat_tokenizer
from assay.defend.anchor import adapters_off
from assay.generate import Sampling
from assay.generate.local import LocalEngine
from assay.models.methods.passthrough import add_peft, remove_peft

TINY = Path(__file__).parents[2] / "src" / "assay" / "models" / "tiny"
KINDS = pytest.mark.parametrize("kind", ["PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING"])


def load_plain(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():  # sharp logits, and attention that outweighs what a token is itself
        model.model.norm.weight *= 30
        for layer in model.model.layers:
            layer.self_attn.v_proj.weight *= 20
            layer.self_attn.o_proj.weight *= 20
    return model


def put_tokens_in(model: Any, kind: str) -> Any:
    torch.manual_seed(3)
    return add_peft(model, {"peft_type": kind, "num_virtual_tokens": 6}).eval()


def make_prompts() -> list[list[int]]:
    rng = random.Random(1)
    return [[rng.randrange(16, 4096) for _ in range(rng.randint(1, 30))] for _ in range(7)]


def engine(model: Any, **changes: Any) -> LocalEngine:
    return LocalEngine(model, load_chat_tokenizer(TINY), **changes)


@torch.no_grad()
def decode_plainly(peft_model: Any, prompt: list[int], num: int) -> list[int]:
    """Greedy, each token by a whole pass of PEFT's own over one row."""
    ids = list(prompt)
    for _ in range(num):
        ids.append(int(peft_model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] == 2:
            return ids[len(prompt) : -1]
    return ids[len(prompt) :]


@KINDS
def test_padded_batches_decode_as_peft_alone_does(small_base: Path, kind: str) -> None:
    wrapped = put_tokens_in(load_plain(small_base), kind)
    sampling = Sampling(max_new_tokens=8)
    plain = engine(load_plain(small_base)).generate(make_prompts(), sampling)
    expected = [decode_plainly(wrapped, prompt, 8) for prompt in make_prompts()]
    assert expected != [generation.token_ids for generation in plain]
    for batch_size in (1, 4):
        local = engine(wrapped.get_base_model(), batch_size=batch_size)
        found = local.generate(make_prompts(), sampling)
        assert [generation.token_ids for generation in found] == expected


@KINDS
def test_scores_are_those_of_peft_alone(small_base: Path, kind: str) -> None:
    wrapped = put_tokens_in(load_plain(small_base), kind)
    sequences = [(ids, [1.0] * len(ids)) for ids in make_prompts() if len(ids) > 1]
    found = engine(wrapped.get_base_model()).score(sequences)
    for (ids, _), score in zip(sequences, found, strict=True):
        with torch.no_grad():
            logits = wrapped(input_ids=torch.tensor([ids])).logits[0, -len(ids) : -1].float()
        logprobs = logits.log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])
        assert score.sum_logprob == pytest.approx(float(logprobs.sum()), rel=1e-4)


@KINDS
def test_the_base_is_there_with_the_tokens_off_and_after_they_are_gone(
    small_base: Path, kind: str
) -> None:
    ids = torch.tensor([make_prompts()[0]])
    base = load_plain(small_base)
    with torch.no_grad():
        expected = base(input_ids=ids).logits
        wrapped = put_tokens_in(base, kind)
        assert float((base(input_ids=ids).logits - expected).abs().max()) > 1e-3
        with adapters_off(base):
            assert torch.equal(base(input_ids=ids).logits, expected)
        remove_peft(wrapped)
        assert torch.equal(base(input_ids=ids).logits, expected)
    assert [name for name, _ in base.named_parameters() if "prompt" in name] == []
