"""The vLLM engine against a server of our own that keeps vLLM's contract, over small models."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from byte_models import make_model, make_prompts

from assay.chat import ChatTokenizer
from assay.errors import GenerationError
from assay.generate import Generation, Sampling
from assay.generate.local import LocalEngine
from assay.generate.remote import Endpoint, RemoteModel
from assay.generate.vllm import NEUTRAL, VllmEngine
from fake_vllm import FakeVllm, serving


@pytest.fixture
def adapted(tokenizer: ChatTokenizer) -> LocalEngine:
    """What the server says that an adapter makes of its base."""
    return LocalEngine(make_model("mistral with a window", sharpness=5.0), tokenizer)


@pytest.fixture
def fake(tokenizer: ChatTokenizer, adapted: LocalEngine) -> Iterator[FakeVllm]:
    base = LocalEngine(make_model(sharpness=5.0), tokenizer)
    with serving(base, lambda folder: adapted) as served:
        yield served


def connect(fake: FakeVllm, **options: Any) -> VllmEngine:
    endpoint = Endpoint(fake.url, "base")
    return VllmEngine(RemoteModel(endpoint), fake.engines["base"].tokenizer, **options)


def check_equal(found: list[Generation], expected: list[Generation], *, sampled: bool) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one.token_ids, one.text) == (other.token_ids, other.text)
        assert one.finish_reason == other.finish_reason
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
        assert one.sampled_logprobs == (
            pytest.approx(other.sampled_logprobs, abs=1e-5) if sampled else []
        )
        if other.stop_token is None:
            assert one.stop_token is None
        else:
            assert one.stop_token is not None
            assert one.stop_token.token_id == other.stop_token.token_id
            assert one.stop_token.logprob == pytest.approx(other.stop_token.logprob, abs=1e-5)
            assert math.isnan(one.stop_token.sampled_logprob) != sampled


@pytest.mark.parametrize(
    ("sampling", "sampled"),
    [
        (Sampling(9, stop_ids=tuple(range(40))), True),
        (Sampling(9, temperature=1.0, seed=4, stop_ids=tuple(range(40))), True),
        (Sampling(9, temperature=0.7, top_p=0.9, seed=4, stop_ids=tuple(range(40))), False),
    ],
)
def test_completions_are_those_of_what_is_served(
    fake: FakeVllm, sampling: Sampling, sampled: bool
) -> None:
    prompts, told = make_prompts(), []
    found = connect(fake, max_requests=3).generate(
        prompts,
        sampling,
        lambda done, total: told.append((done, total)),
        places=[7, 1, 2, 3, 4, 5, 6],
    )
    expected = fake.engines["base"].generate(prompts, sampling, places=[7, 1, 2, 3, 4, 5, 6])
    check_equal(found, expected, sampled=sampled)
    assert {g.finish_reason for g in found} == {"stop", "length"}
    assert told == [(number, 7) for number in range(1, 8)]
    assert all(NEUTRAL.items() <= asked.items() for _, asked in fake.asked)


def test_stop_strings_and_schemas_are_asked_for(fake: FakeVllm) -> None:
    engine, prompts = connect(fake), make_prompts(3)
    free = fake.engines["base"].generate(prompts, Sampling(12, stop_ids=(256,)))
    stop = tuple(sorted({g.text[4:6] for g in free if g.text.isascii()})) or ("e",)
    sampling = Sampling(12, stop=stop, stop_ids=(256,))
    check_equal(
        engine.generate(prompts, sampling),
        fake.engines["base"].generate(prompts, sampling),
        sampled=True,
    )
    assert (
        "".join(engine.stream(prompts[0], sampling)) == engine.generate(prompts, sampling)[0].text
    )
    pytest.importorskip("llguidance", reason="the extra schema is not installed")
    schema = {"enum": ["yes", "no"]}
    found = engine.generate(prompts, Sampling(12, json_schema=schema))
    assert {g.text for g in found} <= {'"yes"', '"no"'}
    assert fake.asked[-1][1]["structured_outputs"] == {"json": schema}


def test_scores_are_those_of_what_is_served(fake: FakeVllm) -> None:
    rows = [(ids, [float(i % 3) for i in range(len(ids))]) for ids in make_prompts()]
    for one, other in zip(connect(fake).score(rows), fake.engines["base"].score(rows), strict=True):
        assert one.sum_logprob == pytest.approx(other.sum_logprob, abs=1e-4)
        assert one.weight == other.weight
    with pytest.raises(GenerationError, match="raw_logprobs"):
        connect(fake, logprobs_mode="processed_logprobs").score(rows)


def test_adapters_are_swapped_under_new_names(
    fake: FakeVllm, adapted: LocalEngine, tmp_path: Path
) -> None:
    engine, prompts = connect(fake), make_prompts(3)
    sampling = Sampling(6, stop_ids=(256,))
    base = engine.generate(prompts, sampling)
    for number in (1, 2):
        engine.load_adapter(tmp_path)
        assert set(fake.engines) == {"base", f"assay-{number}"}
        tuned = engine.generate(prompts, sampling)
        check_equal(tuned, adapted.generate(prompts, sampling), sampled=True)
    assert [g.token_ids for g in tuned] != [g.token_ids for g in base]
    with engine.adapters_off():
        check_equal(engine.generate(prompts, sampling), base, sampled=True)
    with pytest.raises(GenerationError, match=r"HTTP 404.*ALLOW_RUNTIME_LORA"):
        engine.load_adapter(tmp_path / "none")
    check_equal(engine.generate(prompts, sampling), tuned, sampled=True)
    other = connect(fake, names="other")
    other.load_adapter(tmp_path)
    engine.unload_adapter()
    assert set(fake.engines) == {"base", "other-1"}
    check_equal(engine.generate(prompts, sampling), base, sampled=True)


def test_a_server_that_tells_what_it_samples_from_tells_that_alone(fake: FakeVllm) -> None:
    engine = connect(fake, logprobs_mode="processed_logprobs")
    (found,) = engine.generate(make_prompts(1), Sampling(4, temperature=0.5, stop_ids=(256,)))
    assert (len(found.sampled_logprobs), found.logprobs) == (4, [])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"token_ids": None}, "0.10.2"),
        ({"token_ids": [1]}, "a completion of 1 tokens"),
        ({"finish_reason": "abort"}, "'abort'"),
    ],
)
def test_other_answers_are_told(fake: FakeVllm, changes: dict[str, Any], told: str) -> None:
    fake.changes = changes
    with pytest.raises(GenerationError, match=told):
        connect(fake).generate(make_prompts(), Sampling(4, stop_ids=(256,)))


def test_what_needs_no_server_asks_none(fake: FakeVllm) -> None:
    engine = connect(fake, context_len=5)
    assert engine.generate([[1, 2]], Sampling(0)) == [Generation([], "", [], "length")]
    with pytest.raises(GenerationError, match="no room"):
        engine.generate([[1] * 5], Sampling(3))
    assert fake.asked == []
    engine.generate([[1, 2]], Sampling(30, stop_ids=(256,)))
    assert fake.asked[-1][1]["max_tokens"] == 3, "the room in the context"
