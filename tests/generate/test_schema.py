"""Completions that fit a JSON schema, whatever the model would rather write."""

import json
import sys
from typing import Any

import jsonschema
import pytest
import torch
from byte_models import make_model, make_prompts

from assay.chat import ChatTokenizer
from assay.errors import GenerationError
from assay.generate import Sampling
from assay.generate.local import LocalEngine

pytest.importorskip("llguidance", reason="the extra schema is not installed")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["dog", "cat"]},
        "age": {"type": "integer", "minimum": 0, "maximum": 99},
        "tags": {"type": "array", "items": {"type": "boolean"}, "maxItems": 2},
    },
    "required": ["kind", "age", "tags"],
    "additionalProperties": False,
    "x-guidance": {"whitespace_flexible": False},
}


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_what_a_random_model_writes_fits(tokenizer: ChatTokenizer, temperature: float) -> None:
    model, prompts = make_model(sharpness=5.0), make_prompts()
    sampling = Sampling(80, temperature=temperature, seed=1, json_schema=SCHEMA)
    found = LocalEngine(model, tokenizer, batch_size=3).generate(prompts, sampling)
    for generation in found:
        jsonschema.validate(json.loads(generation.text), SCHEMA)
        assert generation.finish_reason == "stop"
        assert generation.stop_token is not None and generation.stop_token.token_id == 256
    alone = LocalEngine(model, tokenizer, batch_size=1).generate(prompts, sampling)
    assert [g.token_ids for g in alone] == [g.token_ids for g in found]
    assert len({g.text for g in found}) > 1 or temperature == 0


def test_sampled_logprobs_are_of_what_is_allowed(tokenizer: ChatTokenizer) -> None:
    """Once ``{"kind":"`` stands there, d and c alone may come, and then one way alone."""
    model = make_model(sharpness=5.0)
    sampling = Sampling(80, temperature=0.5, seed=1, json_schema=SCHEMA)
    prompt = [65, 66]
    generation = LocalEngine(model, tokenizer).generate([prompt], sampling)[0]
    begun = tokenizer.encode('{"kind":"')
    assert generation.token_ids[: len(begun)] == begun
    with torch.no_grad():
        ids = torch.tensor([prompt + generation.token_ids])
        logits = model(input_ids=ids).logits[0].double()
    place = len(prompt) + len(begun)
    dog, cat = (tokenizer.encode(name)[0] for name in ("dog", "cat"))
    pair = (logits[place - 1, [dog, cat]] / 0.5).log_softmax(-1)
    drawn = generation.token_ids[len(begun)]
    assert generation.sampled_logprobs[len(begun)] == pytest.approx(
        float(pair[0 if drawn == dog else 1]), abs=1e-4
    )
    assert generation.sampled_logprobs[: len(begun)] == pytest.approx([0.0] * len(begun), abs=1e-6)
    expected = logits.log_softmax(-1)[place - 1, drawn]
    assert generation.logprobs[len(begun)] == pytest.approx(float(expected), abs=1e-4)


def test_a_completion_without_room_is_cut(tokenizer: ChatTokenizer) -> None:
    found = LocalEngine(make_model(), tokenizer).generate([[65]], Sampling(5, json_schema=SCHEMA))
    assert (found[0].text, found[0].finish_reason) == ('{"kin', "length")


def test_a_schema_that_cannot_be_followed_is_refused(
    tokenizer: ChatTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LocalEngine(make_model(), tokenizer)
    with pytest.raises(GenerationError, match="objekt"):
        engine.generate([[65]], Sampling(json_schema={"type": "objekt"}))
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(GenerationError, match="the extra `schema`"):
        engine.generate([[65]], Sampling(json_schema=SCHEMA))
