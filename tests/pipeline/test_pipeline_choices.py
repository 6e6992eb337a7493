"""Choices by probability: equal to plain Transformers, and encoded as lm-eval-harness has it."""

import math

import pytest
import torch

from assay.chat import render_prompt
from assay.evaluate.items import Item
from assay.generate.local import LocalEngine
from assay.models.base import find_base, load_model
from assay.pipeline.choices import build_choices, score_by_choice


@pytest.fixture(scope="module")
def tiny():
    base = find_base("tiny")
    return base, load_model(base)


def sum_logprob(model, ids, count):
    """Σ log p of the last `count` tokens by plain Transformers."""
    with torch.no_grad():
        logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(float(logprobs[i - 1, ids[i]]) for i in range(len(ids) - count, len(ids)))


def chat(**changes):
    values = {
        "messages": [{"role": "user", "content": "Is water dry?"}],
        "choices": ("Yes.", "No, it is not."),
        "golds": (1,),
        "metric": "mass",
    }
    return Item("chat", **(values | changes))


def test_a_chat_is_scored_as_by_plain_transformers(tiny):
    base, model = tiny
    item = chat()
    engine = LocalEngine(model, base.tokenizer)
    found = score_by_choice(engine, [item], base.tokenizer, context_len=base.context_len)["chat"]
    prompt = render_prompt(base.tokenizer, item.messages)
    sums = []
    for choice in item.choices:
        ids = base.tokenizer.encode(choice)
        sums.append(sum_logprob(model, [*prompt, *ids], len(ids)))
    assert found.detail["logprobs"] == pytest.approx(sums, abs=1e-4)
    shares = [math.exp(value) for value in sums]
    assert found.value == pytest.approx(shares[1] / sum(shares), abs=1e-5)


def test_raw_text_and_choice_are_encoded_together(tiny):
    base, _ = tiny
    messages = [{"role": "user", "content": "The capital is "}]
    item = chat(messages=messages, rendering="completion", choices=("Paris", "Rome"))
    for (ids, mask), choice in zip(build_choices(item, base.tokenizer), item.choices, strict=True):
        weighed = [token for token, weight in zip(ids, mask, strict=True) if weight]
        assert base.tokenizer.decode(weighed) == f" {choice}"
        assert base.tokenizer.decode(ids).endswith(f"The capital is {choice}")


def test_whole_texts_have_a_probability_from_their_first_token_on(tiny):
    base, _ = tiny
    item = chat(messages=[], rendering="text", choices=("One day.", "Another day."))
    for (_, mask), choice in zip(build_choices(item, base.tokenizer), item.choices, strict=True):
        assert sum(mask) == len(base.tokenizer.encode(choice))
        assert mask[0] == 0.0


def test_what_does_not_fit_has_no_score(tiny):
    base, model = tiny
    engine = LocalEngine(model, base.tokenizer)
    found = score_by_choice(engine, [chat()], base.tokenizer, context_len=4)["chat"]
    assert found.value is None
    assert "more than the context of 4" in found.unscored_reason
