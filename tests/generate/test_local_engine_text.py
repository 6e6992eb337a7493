"""The local engine on a byte-level tokenizer: text in pieces, room, windows, distributions."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from byte_models import Recital, make_model, make_prompts

from assay.chat import ChatTokenizer
from assay.generate import Sampling, prefill
from assay.generate.local import LocalEngine
from assay.models.forward import compute_supervised_hidden


@pytest.mark.parametrize(
    "text",
    ["plain", "Grüße, 東京 and 🙂🙂!", "ends in 🙂", "ends inside \N{REPLACEMENT CHARACTER}", ""],
)
def test_streamed_characters_come_whole_and_join_to_the_text(
    tokenizer: ChatTokenizer, text: str
) -> None:
    ids = tokenizer.encode(text)
    engine = LocalEngine(Recital([*ids, 256]), tokenizer)
    sampling = Sampling(max_new_tokens=200)
    pieces = list(engine.stream([65], sampling))
    generation = engine.generate([[65]], sampling)[0]
    assert generation.token_ids == ids
    assert generation.finish_reason == "stop"
    assert "".join(pieces) == generation.text == text
    assert all(character in text for piece in pieces for character in piece)


def test_a_stream_cut_inside_a_character_still_joins(tokenizer: ChatTokenizer) -> None:
    ids = tokenizer.encode("ab🙂")
    engine = LocalEngine(Recital([*ids, 256]), tokenizer)
    sampling = Sampling(max_new_tokens=4)
    generation = engine.generate([[65]], sampling)[0]
    assert generation.finish_reason == "length"
    assert "".join(engine.stream([65], sampling)) == generation.text
    assert generation.text.startswith("ab")


def test_random_bytes_stream_to_the_same_text(tokenizer: ChatTokenizer) -> None:
    """A random model writes broken UTF-8 all the time."""
    engine = LocalEngine(make_model(), tokenizer)
    for seed in range(6):
        sampling = Sampling(max_new_tokens=30, temperature=1.5, seed=seed)
        text = engine.generate([[65, 66]], sampling)[0].text
        assert "".join(engine.stream([65, 66], sampling)) == text


@pytest.mark.parametrize("kind", ["llama", "mistral with a window"])
def test_greedy_equals_transformers_and_batches_change_nothing(
    tokenizer: ChatTokenizer, kind: str
) -> None:
    """Completions outgrow the window, and rows leave the batch at different times."""
    model, prompts = make_model(kind), make_prompts()
    free = LocalEngine(model, tokenizer, batch_size=1).generate(
        prompts, Sampling(max_new_tokens=14)
    )
    stop = Counter(t for g in free for t in g.token_ids).most_common(1)[0][0]
    sampling = Sampling(max_new_tokens=14, stop_ids=(stop, 256))
    many = LocalEngine(model, tokenizer, batch_size=7).generate(prompts, sampling)
    for prompt, generation in zip(prompts, many, strict=True):
        ids = torch.tensor([prompt])
        full = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=14,
            do_sample=False,
            eos_token_id=[stop, 256],
            pad_token_id=257,
        )[0, len(prompt) :].tolist()
        stopped = full[-1] in (stop, 256)
        assert generation.token_ids == (full[:-1] if stopped else full)
        assert generation.finish_reason == ("stop" if stopped else "length")
    assert len({g.finish_reason for g in many}) == 2, "the example shows both ends"


def test_logprobs_are_those_of_the_plain_forward_pass(tokenizer: ChatTokenizer) -> None:
    model = make_model(sharpness=5.0)
    prompts = make_prompts()
    sampling = Sampling(max_new_tokens=6, temperature=0.7, top_p=0.9, seed=4, stop_ids=(256,))
    for prompt, generation in zip(
        prompts, LocalEngine(model, tokenizer).generate(prompts, sampling), strict=True
    ):
        ids = prompt + generation.token_ids
        with torch.no_grad():
            logprobs = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        expected = [float(logprobs[i - 1, ids[i]]) for i in range(len(prompt), len(ids))]
        assert generation.logprobs == pytest.approx(expected, abs=1e-4)


def test_a_long_neighbour_does_not_cut_a_short_row(tokenizer: ChatTokenizer) -> None:
    """Each row has its own room in a context of 40: 10 tokens after 30, 12 after 4."""
    model = make_model()
    prompts = [[7] * 30, [9] * 4]
    sampling = Sampling(max_new_tokens=12, stop_ids=(256,))
    apart = LocalEngine(model, tokenizer, batch_size=1, context_len=40)
    together = LocalEngine(model, tokenizer, batch_size=2, context_len=40)
    expected = [g.token_ids for g in apart.generate(prompts, sampling)]
    assert [len(ids) for ids in expected] == [10, 12]
    assert [g.token_ids for g in together.generate(prompts, sampling)] == expected


def test_samples_follow_the_model_distribution(tokenizer: ChatTokenizer) -> None:
    """3,000 first tokens against softmax(logits / T) cut to its nucleus, by chi-square."""
    model, num = make_model(sharpness=12.0), 3000
    sampling = Sampling(max_new_tokens=1, temperature=0.8, top_p=0.6, seed=1, stop_ids=(256,))
    engine = LocalEngine(model, tokenizer, batch_size=500)
    drawn = Counter(tuple(g.token_ids) for g in engine.generate([[5, 6, 7]] * num, sampling))
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[5, 6, 7]])).logits[0, -1].double()
    p, order = (logits / 0.8).softmax(-1).sort(descending=True)
    size = int((p.cumsum(0) < 0.6).sum()) + 1
    nucleus = p[:size] / p[:size].sum()
    assert size > 5, "otherwise the example shows nothing"
    tokens = [(t,) if t != 256 else () for t in order[:size].tolist()]
    allowed = dict(zip(tokens, nucleus.tolist(), strict=True))
    assert drawn.keys() <= allowed.keys()
    chi_square = sum((drawn[t] - num * q) ** 2 / (num * q) for t, q in allowed.items())
    # Mean size - 1 and variance 2 (size - 1): five standard deviations.
    assert chi_square < size - 1 + 5 * math.sqrt(2 * (size - 1))


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_sample_depends_on_seed_and_place_alone(
    tokenizer: ChatTokenizer, batch_size: int
) -> None:
    model, prompts = make_model(sharpness=5.0), make_prompts() + [[65, 66]] * 2
    sampling = Sampling(max_new_tokens=9, temperature=1.0, top_p=0.95, seed=11)
    reference = LocalEngine(model, tokenizer, batch_size=9).generate(prompts, sampling)
    torch.manual_seed(batch_size)  # the global generator has no say
    found = LocalEngine(model, tokenizer, batch_size=batch_size).generate(prompts, sampling)
    assert [g.token_ids for g in found] == [g.token_ids for g in reference]
    assert reference[-1].token_ids != reference[-2].token_ids, "equal prompts, different places"
    places = [8, 2, 5]
    part = LocalEngine(model, tokenizer, batch_size=batch_size).generate(
        [prompts[place] for place in places], sampling, places=places
    )
    assert [g.token_ids for g in part] == [reference[place].token_ids for place in places]


def test_no_token_asked_for_gives_none_and_progress_is_told(tokenizer: ChatTokenizer) -> None:
    told: list[tuple[int, int]] = []
    engine = LocalEngine(make_model(), tokenizer, batch_size=3)
    for number, expected in ((0, ["length"] * 7), (4, ["length"] * 7)):
        sampling = Sampling(max_new_tokens=number, stop_ids=(256,))
        told.clear()
        found = engine.generate(
            make_prompts(), sampling, lambda done, total: told.append((done, total))
        )
        assert [g.finish_reason for g in found] == expected
        assert {len(g.token_ids) for g in found} == {number}
        assert told == sorted(set(told)) and told[-1] == (7, 7)
    assert told == [(3, 7), (6, 7), (7, 7)], "three at a time, of one length"


def test_the_training_mode_comes_back_even_when_a_stream_is_left(tokenizer: ChatTokenizer) -> None:
    model = make_model().train()
    engine = LocalEngine(model, tokenizer)
    stream: Iterator[str] = engine.stream([65], Sampling(max_new_tokens=9, stop_ids=(256,)))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert model.training
    engine.generate([[65]], Sampling(max_new_tokens=2))
    assert model.training
    engine.score([([1, 2, 3], [1.0, 1.0, 1.0])])
    assert model.training


@pytest.mark.parametrize("kind", ["llama", "mistral with a window"])
def test_scores_of_many_sequences_are_those_of_each(tokenizer: ChatTokenizer, kind: str) -> None:
    """Over several packed batches, with weights, and with rows that have nothing to score."""
    model = make_model(kind, sharpness=5.0)
    generator = torch.Generator().manual_seed(1)
    rows: list[tuple[list[int], list[float]]] = [([5], [1.0]), ([5, 6, 7], [1.0, 0.0, 0.0])]
    for length in torch.randint(2, 250, (60,), generator=generator).tolist():
        ids = torch.randint(256, (length,), generator=generator).tolist()
        mask = (torch.randint(0, 5, (length,), generator=generator) / 2).tolist()
        rows.append((ids, mask))
    assert sum(len(ids) for ids, _ in rows) > 4096, "more than one packed batch"
    for (ids, mask), score in zip(rows, LocalEngine(model, tokenizer).score(rows), strict=True):
        with torch.no_grad():
            logprobs = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        expected = sum(mask[i] * float(logprobs[i - 1, ids[i]]) for i in range(1, len(ids)))
        assert score.sum_logprob == pytest.approx(expected, rel=1e-4, abs=1e-4)
        assert score.weight == sum(mask[1:])
    assert LocalEngine(model, tokenizer).score([]) == []


def test_score_leaves_the_models_own_attention(tokenizer: ChatTokenizer) -> None:
    model = make_model()
    before = model.config._attn_implementation
    LocalEngine(model, tokenizer).score([([1, 2], [0.0, 1.0])])
    assert model.config._attn_implementation == before


def test_sampled_logprobs_are_those_of_the_nucleus_at_the_temperature(
    tokenizer: ChatTokenizer,
) -> None:
    model, prompts = make_model(sharpness=5.0), make_prompts()
    sampling = Sampling(max_new_tokens=6, temperature=0.7, top_p=0.9, seed=4, stop_ids=(256,))
    for prompt, generation in zip(
        prompts, LocalEngine(model, tokenizer).generate(prompts, sampling), strict=True
    ):
        ids = prompt + generation.token_ids
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids])).logits[0].double()
        for i, found in enumerate(generation.sampled_logprobs, start=len(prompt)):
            p, order = (logits[i - 1] / 0.7).softmax(-1).sort(descending=True)
            size = int((p.cumsum(0) < 0.9).sum()) + 1
            place = order.tolist().index(ids[i])
            assert place < size
            assert found == pytest.approx(float((p[place] / p[:size].sum()).log()), abs=1e-4)
    greedy = LocalEngine(model, tokenizer).generate(prompts, Sampling(max_new_tokens=3))
    assert {value for g in greedy for value in g.sampled_logprobs} == {0.0}


def test_the_stop_token_has_its_own_logprobs(tokenizer: ChatTokenizer) -> None:
    model, prompts = make_model(sharpness=5.0), make_prompts(20)
    sampling = Sampling(max_new_tokens=6, temperature=1.0, seed=4, stop_ids=tuple(range(64)))
    found = LocalEngine(model, tokenizer).generate(prompts, sampling)
    assert {g.finish_reason for g in found} == {"stop", "length"}
    for prompt, generation in zip(prompts, found, strict=True):
        stop = generation.stop_token
        assert (stop is None) == (generation.finish_reason == "length")
        if stop is not None:
            with torch.no_grad():
                ids = torch.tensor([prompt + generation.token_ids])
                logprobs = model(input_ids=ids).logits[0, -1].log_softmax(-1)
            assert stop.token_id < 64
            assert stop.logprob == pytest.approx(float(logprobs[stop.token_id]), abs=1e-4)
            assert stop.sampled_logprob == pytest.approx(stop.logprob, abs=1e-6)


def test_equal_prompts_are_computed_once_and_sampled_apart(
    tokenizer: ChatTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(sharpness=5.0)
    one, two = make_prompts(2)
    prompts = [one] * 4 + [two] * 4 + [one]
    sampling = Sampling(max_new_tokens=9, temperature=1.0, seed=2, stop_ids=(256,))
    seen: list[int] = []

    def watch(model: Any, batch: Any, **kwargs: Any) -> torch.Tensor:
        seen.append(batch.input_ids_1T.numel())
        return compute_supervised_hidden(model, batch, **kwargs)

    monkeypatch.setattr(prefill, "compute_supervised_hidden", watch)
    alone = LocalEngine(model, tokenizer, batch_size=1).generate(prompts, sampling)
    for batch_size in (3, 16):
        seen.clear()
        engine = LocalEngine(model, tokenizer, batch_size=batch_size)
        together = engine.generate(prompts, sampling)
        assert sum(seen) == len(one) + len(two)
        assert [g.token_ids for g in together] == [g.token_ids for g in alone]
    assert len({tuple(g.token_ids) for g in together}) == 9


def test_equal_prompts_are_computed_once_by_the_models_own_modules_too(
    tokenizer: ChatTokenizer,
) -> None:
    """A hook is what the lean path leaves to the modules."""
    model = make_model(sharpness=5.0)
    one, two = make_prompts(2)
    prompts = [one] * 4 + [two] * 4 + [one]
    sampling = Sampling(max_new_tokens=9, temperature=1.0, seed=2, stop_ids=(256,))
    lean = LocalEngine(model, tokenizer).generate(prompts, sampling)
    seen: list[int] = []
    model.model.embed_tokens.register_forward_hook(
        lambda _, inputs, output: seen.append(inputs[0].numel())
    )
    own = LocalEngine(model, tokenizer).generate(prompts, sampling)
    assert seen[0] <= 2 * max(len(one), len(two))
    assert [g.token_ids for g in own] == [g.token_ids for g in lean]
