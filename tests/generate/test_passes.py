"""Given sequences: what is computed once for several equals what each gets by itself."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.chat import load_chat_tokenizer
from assay.data.shared import build_shared
from assay.errors import GenerationError
from assay.generate.likelihood import Masked, Reference
from assay.generate.local import LocalEngine
from assay.generate.prefixes import plan_batches
from assay.models.adapters import add_lora

TINY = Path(__file__).parents[2] / "src" / "assay" / "models" / "tiny"


def load_small(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():  # attention that outweighs what a token is itself
        model.model.norm.weight *= 5
        for layer in model.model.layers:
            layer.self_attn.v_proj.weight *= 20
            layer.self_attn.o_proj.weight *= 20
    return model


@pytest.fixture(scope="module", params=["tiny", "small"])
def model(request: pytest.FixtureRequest, small_base: Path) -> Any:
    from transformers import AutoModelForCausalLM

    if request.param == "small":
        return load_small(small_base)
    return AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32).eval()


@pytest.fixture
def tuned(small_base: Path) -> Iterator[Any]:
    """A model with an adapter that changes it."""
    torch.manual_seed(1)
    wrapped = add_lora(load_small(small_base), rank=4, alpha=8)
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    yield wrapped.get_base_model().eval()


def engine(model: Any, **changes: Any) -> LocalEngine:
    return LocalEngine(model, load_chat_tokenizer(TINY), **changes)


def draw(rng: random.Random, low: int, high: int) -> list[int]:
    return [rng.randrange(16, 4096) for _ in range(rng.randint(low, high))]


def draw_questions(num: int = 7) -> tuple[list[list[int]], list[list[list[int]]]]:
    """Prompts, two of which begin alike, and up to five continuations of each."""
    rng = random.Random(4)
    start = draw(rng, 12, 12)
    prompts = [draw(rng, 1, 40) for _ in range(num)]
    prompts[1], prompts[4] = start + prompts[1], start + prompts[4]
    continuations = [[draw(rng, 1, 9) for _ in range(rng.randint(0, 5))] for _ in prompts]
    return prompts, continuations


@torch.no_grad()
def compute_plain_logprobs(model: Any, ids: list[int]) -> Any:
    return model(input_ids=torch.tensor([ids])).logits[0].float().log_softmax(-1)


def test_continuations_score_as_transformers_alone_has_them(model: Any) -> None:
    prompts, continuations = draw_questions()
    found = engine(model).score_continuations(prompts, continuations)
    assert [len(own) for own in found] == [len(own) for own in continuations]
    for prompt, own, scores in zip(prompts, continuations, found, strict=True):
        for ids, score in zip(own, scores, strict=True):
            logprobs = compute_plain_logprobs(model, [*prompt, *ids])
            expected = sum(float(logprobs[len(prompt) + i - 1, t]) for i, t in enumerate(ids))
            assert score.sum_logprob == pytest.approx(expected, abs=1e-4, rel=1e-5)
            assert score.weight == len(ids)


def test_continuations_score_as_whole_sequences_do(model: Any) -> None:
    prompts, continuations = draw_questions()
    together = engine(model).score_continuations(prompts, continuations)
    for prompt, own, scores in zip(prompts, continuations, together, strict=True):
        for ids, score in zip(own, scores, strict=True):
            row = ([*prompt, *ids], [0.0] * len(prompt) + [1.0] * len(ids))
            (alone,) = engine(model).score([row])
            assert score.sum_logprob == pytest.approx(alone.sum_logprob, abs=1e-5, rel=1e-6)


def test_next_tokens_are_those_of_transformers(model: Any) -> None:
    prompts, _ = draw_questions()
    prompts.append(prompts[0])
    found_PV = engine(model).next_logprobs(prompts)
    assert found_PV.dtype == torch.float32
    for prompt, found_V in zip(prompts, found_PV, strict=True):
        expected_V = compute_plain_logprobs(model, prompt)[-1]
        torch.testing.assert_close(found_V, expected_V, atol=2e-5, rtol=1e-5)


def test_prompts_without_room_are_refused(model: Any) -> None:
    with pytest.raises(GenerationError, match="empty"):
        engine(model).next_logprobs([[]])


@pytest.mark.parametrize("layers", [None, [0, 2]])
def test_states_are_means_of_transformers_own(model: Any, layers: list[int] | None) -> None:
    prompts, _ = draw_questions()
    prompts = [[*prompt, 17] for prompt in prompts]
    rng = random.Random(2)
    rows = [(ids, [1.0, *(float(rng.random() < 0.5) for _ in ids[1:])]) for ids in prompts]
    found_RLD = engine(model).hidden_states([*rows, (prompts[0], [0.0] * len(prompts[0]))], layers)
    assert np.isnan(found_RLD[-1]).all()
    for (ids, mask), found_LD in zip(rows, found_RLD, strict=False):
        with torch.no_grad():
            output = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
        chosen = layers or range(1, len(output.hidden_states))
        where = torch.tensor(mask) > 0
        for layer, found_D in zip(chosen, found_LD, strict=True):
            expected_D = output.hidden_states[layer][0][where].mean(0).numpy()
            np.testing.assert_allclose(found_D, expected_D, atol=1e-4, rtol=1e-4)


def make_rows() -> list[Masked]:
    prompts, continuations = draw_questions()
    return [
        ([*prompt, *ids], [0.0] * len(prompt) + [1.0] * len(ids))
        for prompt, own in zip(prompts, continuations, strict=True)
        for ids in own
    ]


def test_divergence_from_the_base_is_the_sum_over_the_vocabulary(tuned: Any) -> None:
    local = engine(tuned)
    rows = make_rows()
    found = local.kl_to_base(rows)
    for (ids, mask), values in zip(rows, found, strict=True):
        own = compute_plain_logprobs(tuned, list(ids))
        with local.adapters_off():
            base = compute_plain_logprobs(tuned, list(ids))
        kl_T = (base.exp() * (base - own)).sum(-1)
        expected = [float(kl_T[p - 1]) for p in range(1, len(ids)) if mask[p] > 0]
        assert values == pytest.approx(expected, abs=1e-5, rel=1e-4)
        assert max(values) > 1e-3
    with local.adapters_off():
        assert max(map(max, local.kl_to_base(rows))) == pytest.approx(0, abs=1e-6)


def test_a_reference_outlives_what_it_was_taken_in(tuned: Any) -> None:
    local = engine(tuned)
    rows = make_rows()
    with local.adapters_off():
        reference = Reference(tuned, rows)
    assert reference.compute_kl(tuned) == local.kl_to_base(rows)


TREES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=12)


@given(TREES, st.booleans())
def test_a_shared_batch_holds_every_sequence(sequences: list[list[int]], share: bool) -> None:
    ordered = [
        sequences[index] for one in plan_batches(sequences, token_budget=10**6) for index in one
    ]
    assert sorted(ordered) == sorted(sequences)
    batch = build_shared(ordered, share=share)
    start = 0
    for ids, length in zip(ordered, batch.sequence_lengths, strict=True):
        own = batch.places[start : start + length]
        assert [batch.input_ids[place] for place in own] == ids
        assert [batch.position_ids[place] for place in own] == list(range(length))
        assert own == sorted(own)
        start += length
    assert start == len(batch.places)
    assert share or not batch.is_shared


def test_each_beginning_is_computed_once_where_neighbours_share_it() -> None:
    sequences = [[1, 2, 3], [1, 2, 4], [1, 2], [5]]
    (order,) = plan_batches(sequences)
    batch = build_shared([sequences[index] for index in order])
    assert len(batch.input_ids) == 5
    assert plan_batches(sequences, token_budget=3) == [[2, 0], [1], [3]]


def test_what_shares_nothing_is_packed_by_length() -> None:
    assert plan_batches([[1, 2], [3, 4, 5], [6]], token_budget=4) == [[1, 2], [0]]
