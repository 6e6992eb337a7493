"""Drift: nothing of the base itself, and of a changed model what plain arithmetic gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from pushed import Pushed

from assay.evaluate.items import Item
from assay.evaluate.probes import PROBES
from assay.evaluate.probes.fixed_rows import lay_out_answers, load_general
from assay.evaluate.probes.gauges import build_gauges, read_gauges
from assay.evaluate.probes.margins import compute_refusal_margins
from assay.generate import SequenceScore


@pytest.fixture(scope="module")
def pushed() -> Pushed:
    return Pushed()


class Told:
    """Gives the log-probabilities that it is told, in order."""

    def __init__(self, sums: Sequence[float]) -> None:
        self.sums = sums

    def score_continuations(self, prompts: Any, continuations: Any) -> list[list[SequenceScore]]:
        return [[SequenceScore(value, 1.0) for value in self.sums] for _ in prompts]


def test_a_margin_is_the_log_odds_of_refusing(pushed: Pushed) -> None:
    probabilities = (0.2, 0.1, 0.05, 0.01)
    item = Item("a", [{"role": "user", "content": "?"}], choices=("a", "b", "c", "d"), golds=(0, 2))
    engine: Any = Told([math.log(p) for p in probabilities])
    (margin,) = compute_refusal_margins(engine, pushed.tokenizer, [item])
    assert margin == pytest.approx(math.log(0.25 / 0.11))


def test_the_base_has_not_drifted(pushed: Pushed) -> None:
    pushed.share = 0.0
    found = PROBES["drift"].measure(pushed.ask(None))
    assert found.statistic == pytest.approx(0, abs=1e-6)
    assert found.facts["refusal_margin"]["change"] == 0
    assert found.facts["general_kl"]["n"] == len(found.readings) == 96


@torch.no_grad()
def test_kl_is_that_of_plain_passes(pushed: Pushed) -> None:
    pushed.share = 0.3
    asked = pushed.ask(None)
    found = PROBES["drift"].measure(asked)
    name, (ids, mask) = load_general(asked, max_items=96)[5]
    tokens = torch.tensor([list(ids)])
    own = pushed.model(input_ids=tokens).logits[0].log_softmax(-1)
    with pushed.as_base():
        base = pushed.model(input_ids=tokens).logits[0].log_softmax(-1)
    kl_T = (base.exp() * (base - own)).sum(-1)
    places = [p - 1 for p in range(1, len(ids)) if mask[p] > 0]
    (reading,) = [one for one in found.readings if one.id == name]
    assert reading.tuned == pytest.approx(float(kl_T[places].mean()), rel=1e-3, abs=1e-6)
    assert found.statistic > 1e-4
    interval = found.facts["general_kl"]
    assert interval["low"] <= found.statistic == interval["mean"] <= interval["high"]


def test_what_has_no_answer_to_read_is_left_out(pushed: Pushed) -> None:
    asked_for = [{"role": "user", "content": "Say yes."}]
    items = [
        Item("kept", asked_for, "Yes."),
        Item("bare", asked_for),
        Item("raw", asked_for, "Yes.", rendering="completion"),
        Item("long", [{"role": "user", "content": "word " * 3000}], "Yes."),
    ]
    assert [name for name, _ in lay_out_answers(pushed.ask(None), items)] == ["kept"]


def test_gauges_read_nothing_of_the_base_and_the_shift_that_was_made(pushed: Pushed) -> None:
    pushed.share = 0.5
    gauges = build_gauges(pushed.ask(None))
    assert set(gauges) == {"refusal_margin", "persona", "kl", "extra_calls"}
    moved = read_gauges(gauges)
    assert moved["persona"] == pytest.approx(0.5, abs=1e-3)
    assert moved["kl"] > 1e-4
    pushed.share = 0.0
    assert read_gauges(gauges) == pytest.approx(dict.fromkeys(gauges, 0.0), abs=1e-5)
    assert all(gauge.num_tokens > 100 for gauge in gauges.values())
