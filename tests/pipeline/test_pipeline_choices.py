"""Choices by probability: equal to plain Transformers, and encoded as lm-eval-harness has it."""

import math
from dataclasses import replace

import pytest
import torch

from assay.chat import render_prompt
from assay.data import Record, tokenize
from assay.evaluate.items import Item
from assay.evaluate.scorers import score_ranking
from assay.generate.local import LocalEngine
from assay.models.base import find_base, load_model
from assay.pipeline.choices import build_choices, score_by_choice
from assay.pipeline.questions import build_items


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


def make_pair(chosen, rejected, **changes):
    asked = [{"role": "user", "content": "How warm is it in Rome?"}]
    record = Record("a", [*asked, *chosen], TOOLS, "chat", None, "a", 1, "a", rejected=rejected)
    return replace(record, **changes)


TOOLS = [
    {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
    }
]
CALL = {"name": "weather", "arguments": '{"city": "Rome"}'}
CALLS = [{"id": "x", "type": "function", "function": CALL}]
CALLING = [{"role": "assistant", "content": None, "tool_calls": CALLS}]
SAYING = [{"role": "assistant", "content": "No idea."}]


def test_a_pair_of_texts_is_weighed_after_its_prompt(tiny):
    base, _ = tiny
    other = [{"role": "assistant", "content": "Look it up."}]
    (item,) = build_items([make_pair(SAYING, other)], max_items=1, seed=0, metric="auto")
    assert (item.choices, item.golds) == (("No idea.", "Look it up."), (0,))
    assert (item.metric, [one["role"] for one in item.messages]) == ("choice_norm", ["user"])
    prompt = render_prompt(base.tokenizer, item.messages, tools=TOOLS)
    for (ids, mask), choice in zip(build_choices(item, base.tokenizer), item.choices, strict=True):
        assert ids == [*prompt, *base.tokenizer.encode(choice)]
        assert mask == [0.0] * len(prompt) + [1.0] * (len(ids) - len(prompt))


def test_answers_that_call_tools_are_weighed_as_they_are_trained(tiny):
    base, _ = tiny
    record = make_pair(CALLING, SAYING)
    (item,) = build_items([record], max_items=1, seed=0, metric="auto")
    found = build_choices(item, base.tokenizer)
    (sequence,) = tokenize(
        [record], base.tokenizer, max_seq_len=500, on_too_long="refuse"
    ).sequences
    trained = [(one.input_ids, one.loss_mask) for one in (sequence, sequence.rejected)]
    assert found == trained


def test_a_rated_answer_is_ranked_by_its_rating(tiny):
    """Two wanted answers and two unwanted ones: shares by hand, and their mean is the area."""
    items = [
        Item(name, [], choices=("four",), golds=(0,) if wanted else (), metric="ranked")
        for name, wanted in (("a", True), ("b", True), ("c", False), ("d", False))
    ]
    found = score_ranking(items, {"a": -4.0, "b": -12.0, "c": -8.0, "d": -12.0})
    assert {name: one.value for name, one in found.items()} == {
        "a": 1.0,
        "b": 0.25,
        "c": 0.5,
        "d": 0.75,
    }
    only = score_ranking(items[:2], {"a": -4.0, "b": -12.0})
    assert all(one.value is None for one in only.values())
