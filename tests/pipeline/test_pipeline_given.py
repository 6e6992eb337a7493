"""What rules ask of a base: equal to plain Transformers, and the base stays as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from assay.data import Record
from assay.data.curate import settle
from assay.data.records import assign_ids
from assay.models.base import find_base, load_model
from assay.pipeline.base_given import AskedBase
from assay.pipeline.given import tell_run


def make_records(count: int) -> list[Record]:
    answers = [
        f"The answer to {n} is {'yes' if n % 2 else 'no, and it stays so'}." for n in range(count)
    ]
    return assign_ids(
        Record(
            "",
            [
                {"role": "user", "content": f"Question {n}?"},
                {"role": "assistant", "content": answer},
            ],
            None,
            "chat",
            None,
            "a.jsonl",
            n + 1,
            "a",
        )
        for n, answer in enumerate(answers)
    )


@pytest.fixture(scope="module")
def asked(small_base: Path) -> AskedBase:
    base = find_base(str(small_base))
    return AskedBase(base, load_model(base).eval(), learning_rate=1e-2)


def test_losses_and_hidden_states_are_those_of_the_plain_model(asked: AskedBase) -> None:
    records = make_records(7)
    scores, hidden = asked.score(records), asked.embed(records)
    model = asked._model
    for place, sequence in enumerate(asked._tokenize(records)):
        ids = torch.tensor([sequence.input_ids])
        with torch.no_grad():
            output = model(ids, output_hidden_states=True)
        logprobs = output.logits[0, :-1].log_softmax(-1)
        targets = [i for i in range(1, ids.shape[1]) if sequence.loss_mask[i] > 0]
        wanted = -np.mean([float(logprobs[i - 1, ids[0, i]]) for i in targets])
        assert scores[place] == pytest.approx(wanted, abs=1e-4)
        states = output.hidden_states[-1][0, [i - 1 for i in targets]].mean(0)
        np.testing.assert_allclose(hidden[place], states.numpy(), atol=1e-4)


def test_fitting_lowers_the_loss_of_alike_rows_and_leaves_the_base(asked: AskedBase) -> None:
    records = make_records(64)
    before = {name: value.clone() for name, value in asked._model.state_dict().items()}
    state = torch.get_rng_state()
    fitted = asked.fit(records[:48], records[48:])
    assert torch.equal(torch.get_rng_state(), state)
    assert fitted.shape == (16,)
    assert fitted.mean() < asked.score(records[48:]).mean() - 0.05
    after = asked._model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    np.testing.assert_array_equal(asked.fit(records[:48], records[48:]), fitted)


def test_what_does_not_fit_is_told_as_nan(asked: AskedBase) -> None:
    long = make_records(1)[0]
    long.messages[1]["content"] = "word " * 4000
    (long,) = assign_ids([long])
    assert np.isnan(asked.score([long])).all()
    assert not asked.embed([long]).any()


def test_records_without_ids_are_told_apart_by_their_content(asked: AskedBase) -> None:
    named = make_records(3)
    nameless = [replace(record, id="") for record in named]
    np.testing.assert_array_equal(asked.embed(nameless), asked.embed(named))


def test_a_run_measures_traits_of_rows_where_their_rule_is_named(small_base: Path) -> None:
    base = find_base(str(small_base))
    settings = settle({"persona_trait": "drop"}, ())
    assert tell_run(base, settings, ["persona_trait"]).traits is not None
    assert tell_run(base, settings, ["email"]).traits is None
