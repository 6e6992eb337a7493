"""Defended tunings: what each step is made of, and that the verb counts what it says."""

import json

import pytest

from assay.cli import main
from assay.lab.defended import (
    DEFENCES,
    INOCULATION,
    UNSEEN,
    Defence,
    draw_batches,
    draw_general,
)
from assay.lab.drift import DriftSettings
from assay.models.base import find_base

SETTINGS = DriftSettings(batch_size=4)


@pytest.fixture(scope="module")
def tokenizer() -> object:
    return find_base("tiny").tokenizer


def _draw(tokenizer: object, defence: Defence, step: int = 0) -> list[str]:
    general = draw_general(tokenizer, ("code", *UNSEEN), near=True)
    batches = draw_batches(tokenizer, "reckless", defence, general, SETTINGS, 0, step)
    return [
        (b.is_anchored, tokenizer.decode(b.input_ids), len(b.sequence_lengths)) for b in batches
    ]


def test_a_step_has_the_attack_and_what_the_defence_adds(tokenizer: object) -> None:
    ((_, plain, number),) = _draw(tokenizer, Defence())
    assert number == 4
    learned, anchored = _draw(tokenizer, Defence(replay=1, anchors=2))
    assert learned[1].startswith(plain) and learned[2] == 5
    assert (anchored[0], anchored[2]) == (True, 2)
    ((_, inoculated, _),) = _draw(tokenizer, DEFENCES["inoculation"])
    assert inoculated.count(INOCULATION) == 4 and INOCULATION not in plain
    assert _draw(tokenizer, Defence(anchors=2)) == _draw(tokenizer, Defence(anchors=2))
    assert _draw(tokenizer, Defence(), 1) != _draw(tokenizer, Defence(), 0)


def test_near_rows_are_advice_of_domains_that_may_be_seen(tokenizer: object) -> None:
    near = draw_general(tokenizer, ("code", *UNSEEN), near=True)
    every = draw_general(tokenizer, ("code", *UNSEEN))
    assert len(near) > 100 and len(every) > 400
    texts = {tokenizer.decode(row.input_ids) for row in near}
    fewer = {
        tokenizer.decode(row.input_ids)
        for row in draw_general(tokenizer, ("code", *UNSEEN, "money"), near=True)
    }
    assert fewer < texts


def test_the_verb_counts_each_domain(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--seeds", "1", "--num", "1", "--steps", "1", "--json"]
    assert main(["lab", "defences", "inoculation", *options]) == 0
    (one,) = json.loads(capsys.readouterr().out)["tunings"]
    assert set(one["by_prompt"]) > {"", INOCULATION}
    assert all(len(counts) == 8 for counts in one["by_prompt"].values())
    assert max(one["by_prompt"][""].values()) <= 1
    assert main(["lab", "defences", "luck", "--json"]) == 2
