"""Completions and embeddings by the official client: equal to what the engine gives."""

import base64
from typing import Any

import numpy as np
import openai
import pytest
from sockets import Served

from assay.generate import Sampling
from assay.generate.local import LocalEngine

TEXT = "The capital of France is"


def test_completions_of_several_prompts_are_the_offline_ones(
    openai_client: openai.OpenAI, tiny_engine: LocalEngine
) -> None:
    ids = tiny_engine.tokenizer.encode("One, two,")
    options: dict[str, Any] = {"max_tokens": 12, "temperature": 0.8, "seed": 4, "n": 2}
    sampling = Sampling(max_new_tokens=12, temperature=0.8, seed=4)
    for given, prompts in (
        (TEXT, [tiny_engine.tokenizer.encode(TEXT)]),
        ([TEXT, "One, two,"], [tiny_engine.tokenizer.encode(TEXT), ids]),
        ([ids], [ids]),
        (ids, [ids]),
    ):
        found = openai_client.completions.create(model="tiny", prompt=given, **options)
        expected = [one for ids in prompts for one in tiny_engine.generate([ids] * 2, sampling)]
        assert [c.text for c in found.choices] == [one.text for one in expected]
        assert [c.finish_reason for c in found.choices] == [one.finish_reason for one in expected]
        assert found.usage is not None
        assert found.usage.prompt_tokens == sum(map(len, prompts))
        assert found.usage.completion_tokens == sum(len(one.token_ids) for one in expected)


def test_a_streamed_completion_is_the_whole_one_with_its_logprobs(asked: Served) -> None:
    """Lenient alone: the strict client takes no chunk whose choice goes on."""
    openai_client = asked.client()
    options: dict[str, Any] = {"model": "tiny", "prompt": TEXT, "temperature": 0, "logprobs": 2}
    whole = openai_client.completions.create(**options)
    chunks = list(
        openai_client.completions.create(
            stream=True, stream_options={"include_usage": True}, **options
        )
    )
    assert "".join(c.choices[0].text for c in chunks[:-1]) == whole.choices[0].text
    assert chunks[-1].choices == [] and chunks[-1].usage is not None
    logprobs = whole.choices[0].logprobs
    assert logprobs is not None and logprobs.tokens is not None
    assert "".join(logprobs.tokens) == whole.choices[0].text
    told = [t for c in chunks[:-1] if c.choices[0].logprobs for t in c.choices[0].logprobs.tokens]
    assert told == logprobs.tokens
    assert logprobs.text_offset is not None and logprobs.text_offset[0] == 0
    assert all(len(top) == 2 for top in logprobs.top_logprobs or ())


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": [5, 99_999]}, "prompt"),
        ({"prompt": "a", "best_of": 3}, "best_of"),
        ({"prompt": "a", "echo": True}, "echo"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "logprobs": 6}, "logprobs"),
        ({"prompt": ["a"] * 65, "n": 2}, "prompt"),
    ],
)
def test_what_completions_do_not_serve_is_refused_by_name(
    asked: Served, options: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        asked.client().completions.create(model="tiny", **options)
    assert str(refused.value.param).startswith(param)


def test_embeddings_are_the_bases_mean_states_as_numbers_and_in_base64(
    asked: Served, tiny_engine: LocalEngine
) -> None:
    """Lenient alone: the strict client refuses the base64 that it asks for itself."""
    openai_client = asked.client()
    texts = ["A cat sleeps.", "Un chat dort, longtemps."]
    ids = [tiny_engine.tokenizer.encode(text) for text in texts]
    states = tiny_engine.hidden_states([(one, [1.0] * len(one)) for one in ids], [6])[:, 0]
    expected = states / np.linalg.norm(states, axis=-1, keepdims=True)
    usual = openai_client.embeddings.create(model="tiny", input=texts)
    plain = openai_client.embeddings.create(model="tiny", input=ids, encoding_format="float")
    coded: Any = openai_client.embeddings.create(
        model="tiny", input=texts[0], encoding_format="base64"
    )
    for found in (usual, plain):
        assert [one.index for one in found.data] == [0, 1]
        assert np.allclose([one.embedding for one in found.data], expected, atol=1e-5)
    raw = np.frombuffer(base64.b64decode(coded.data[0].embedding), "<f4")
    assert np.allclose(raw, expected[0], atol=1e-5)
    assert usual.usage.prompt_tokens == sum(map(len, ids))


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [-1]}, "input"),
        ({"input": "word " * 4000}, "input"),
        ({"input": "a", "dimensions": 8}, "dimensions"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_what_embeddings_do_not_serve_is_refused_by_name(
    asked: Served, options: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        asked.client().embeddings.create(model="tiny", **options)
    assert str(refused.value.param).startswith(param)
