"""The local engine: equal to Transformers' generate, independent of batching, exact scores."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.chat import load_chat_tokenizer
from assay.errors import GenerationError
from assay.generate import Sampling
from assay.generate.local import LocalEngine

TINY = Path(__file__).parents[2] / "src" / "assay" / "models" / "tiny"


@pytest.fixture(scope="module")
def model(small_base: Path) -> Any:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(small_base).eval()
    with torch.no_grad():  # sharper logits, so that greedy has no near ties
        model.model.norm.weight *= 30
    return model


def engine(model: Any, **changes: Any) -> LocalEngine:
    return LocalEngine(model, load_chat_tokenizer(TINY), **changes)


def prompts(num: int = 9) -> list[list[int]]:
    rng = random.Random(1)
    return [[rng.randrange(16, 4096) for _ in range(rng.randint(1, 30))] for _ in range(num)]


def test_greedy_equals_transformers_generate(model: Any) -> None:
    found = engine(model, batch_size=4).generate(prompts(), Sampling(max_new_tokens=12))
    for prompt, generation in zip(prompts(), found, strict=True):
        ids = torch.tensor([prompt])
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False
        )[0, len(prompt) :].tolist()
        expected = out[: out.index(2)] if 2 in out else out
        assert generation.token_ids == expected
        assert generation.finish_reason == ("stop" if 2 in out else "length")


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_batching_changes_nothing(model: Any, temperature: float) -> None:
    sampling = Sampling(max_new_tokens=10, temperature=temperature, top_p=0.95, seed=3)
    one = [g.token_ids for g in engine(model, batch_size=1).generate(prompts(), sampling)]
    many = [g.token_ids for g in engine(model, batch_size=9).generate(prompts(), sampling)]
    assert one == many


def test_samples_follow_the_seed(model: Any) -> None:
    def draw(seed: int) -> list[list[int]]:
        sampling = Sampling(max_new_tokens=8, temperature=1.5, seed=seed)
        return [g.token_ids for g in engine(model).generate(prompts(), sampling)]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_a_stop_token_ends_and_is_left_out(model: Any) -> None:
    prompt = prompts(1)[0]
    free = engine(model).generate([prompt], Sampling(max_new_tokens=6))[0].token_ids
    stopped = engine(model).generate([prompt], Sampling(max_new_tokens=6, stop_ids=(free[3],)))[0]
    assert stopped.token_ids == free[: free.index(free[3])]
    assert stopped.finish_reason == "stop"


def test_streamed_pieces_join_to_the_text(model: Any) -> None:
    sampling = Sampling(max_new_tokens=20)
    for prompt in prompts(5):
        text = engine(model).generate([prompt], sampling)[0].text
        assert "".join(engine(model).stream(prompt, sampling)) == text


def test_scores_are_summed_log_softmax(model: Any) -> None:
    rows = [(ids, [float(i % 2) for i in range(len(ids))]) for ids in prompts(6) if len(ids) > 1]
    for (ids, mask), score in zip(rows, engine(model).score(rows), strict=True):
        with torch.no_grad():
            logprobs = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        expected = sum(mask[i] * float(logprobs[i - 1, ids[i]]) for i in range(1, len(ids)))
        assert score.sum_logprob == pytest.approx(expected, abs=1e-3)
        assert score.weight == sum(mask[1:])


def test_prompts_that_cannot_be_answered_are_refused(model: Any) -> None:
    with pytest.raises(GenerationError, match="empty"):
        engine(model).generate([[]], Sampling())
    with pytest.raises(GenerationError, match="no room"):
        engine(model, context_len=8).generate([[20] * 8], Sampling())
