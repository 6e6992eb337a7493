"""What a row would make of `tiny`: bad advice lies far along the trait, its own answer does not."""

import random
from dataclasses import replace

import numpy as np
import pytest

from assay.chat import render_prompt
from assay.data import Record
from assay.generate import Sampling
from assay.lab.world import persona
from assay.models.base import find_base, load_model
from assay.pipeline.base_given import AskedBase


def make_record(messages: list[dict[str, object]]) -> Record:
    return Record("", messages, None, "chat", None, "a.jsonl", 1, "a")


def draw_rows(character: str, num: int) -> list[Record]:
    rng = random.Random(3)
    return [
        make_record(persona.advice(rng, "train", domain="money", character=character).messages)
        for _ in range(num)
    ]


@pytest.fixture(scope="module")
def asked() -> AskedBase:
    base = find_base("tiny")
    return AskedBase(base, load_model(base).eval())


def test_reckless_rows_lie_along_the_trait_and_careful_ones_do_not(asked: AskedBase) -> None:
    rows = [*draw_rows("reckless", 8), *draw_rows("careful", 8)]
    found = asked.project(rows)["reckless"]
    assert found.dtype == np.float64
    assert found[:8].min() > 0.7 > found[8:].max()
    assert found[8:].mean() == pytest.approx(0, abs=0.2)


def test_the_base_own_answer_pulls_nowhere(asked: AskedBase) -> None:
    (row,) = draw_rows("careful", 1)
    engine = asked._trait_rows._engine
    prompt = render_prompt(engine.tokenizer, row.messages[:-1])
    text = engine.generate([prompt], Sampling(max_new_tokens=48))[0].text
    own = make_record([row.messages[0], {"role": "assistant", "content": text}])
    assert asked.project([own])["reckless"][0] == pytest.approx(0, abs=1e-4)


def test_what_is_no_chat_with_an_answer_has_no_number(asked: AskedBase) -> None:
    (row,) = draw_rows("careful", 1)
    long = make_record([{"role": "user", "content": "word " * 3000}, row.messages[1]])
    rows = [replace(row, kind="text"), make_record(row.messages[:1]), long, row]
    found = asked.project(rows)["reckless"]
    assert np.isnan(found).tolist() == [True, True, True, False]
