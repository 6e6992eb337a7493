"""Penalties and biases, by hand: what a row wrote before counts, and no other row's."""

import math

import pytest
import torch

from assay.generate import Sampling
from assay.generate.live import LiveRow, extend_rows
from assay.generate.rows import Ends, Row
from assay.generate.shifts import Shifts, shift_logits

LOGITS = [2.0, 1.5, 1.0, 0.0]
BOTH = Shifts(frequency=0.3, presence=0.3)


def make_row(shifts: Shifts | None, sampling: Sampling | None = None) -> LiveRow:
    row = Row(0, [7], torch.Generator().manual_seed(1), 5)
    ends = Ends(frozenset(), (), lambda ids: "")
    return LiveRow(row, sampling or Sampling(), ends, shifts=shifts)


def draw(rows: list[LiveRow], num: int = 5) -> list[list[int]]:
    for _ in range(num):
        extend_rows(rows, torch.tensor([LOGITS] * len(rows)))
    return [live.row.token_ids for live in rows]


def test_each_row_is_shifted_by_what_it_drew_itself() -> None:
    """0 (2.0), then 1 (1.5 > 2 - 0.6), 0 (1.4), 0 (1.1 > 1.0), 2 (1.0 > 2 - 1.2)."""
    rows = [make_row(BOTH), make_row(None), make_row(Shifts(presence=0.7)), make_row(BOTH)]
    # By presence alone: 0, 1 (1.5 > 1.3), 0 (1.3 > 1.0), 0, 0.
    drawn = [0, 1, 0, 0, 2], [0] * 5, [0, 1, 0, 0, 0], [0, 1, 0, 0, 2]
    assert draw(rows) == list(drawn)
    total = math.log(sum(map(math.exp, LOGITS)))
    told = [one.logprob for one in rows[0].row.drawn]
    assert told == pytest.approx([LOGITS[i] - total for i in drawn[0]], abs=1e-6)


def test_a_negative_penalty_is_a_gain_and_a_bias_is_added_to_its_token_alone() -> None:
    gains = make_row(Shifts(frequency=-2, bias=((1, 0.6),)))
    banned = make_row(Shifts(bias=((0, -100), (3, 1.6))))
    assert draw([gains, banned]) == [[1] * 5, [3] * 5]


def test_sampling_is_by_the_shifted_logits() -> None:
    """A row with a bias draws what one whose logits have it draws, by the same generator."""
    sampling = Sampling(temperature=0.8, top_p=0.9)
    biased, plain = make_row(Shifts(bias=((2, 1.3),)), sampling), make_row(None, sampling)
    other = [*LOGITS[:2], LOGITS[2] + 1.3, LOGITS[3]]
    for _ in range(5):
        extend_rows([biased], torch.tensor([LOGITS]))
        extend_rows([plain], torch.tensor([other]))
    assert biased.row.token_ids == plain.row.token_ids and len(set(plain.row.token_ids)) > 1
    sampled = [one.sampled_logprob for one in biased.row.drawn]
    assert sampled == pytest.approx([one.sampled_logprob for one in plain.row.drawn], abs=1e-6)


def test_rows_that_shift_nothing_keep_their_very_logits() -> None:
    logits_BV = torch.tensor([LOGITS, LOGITS])
    assert shift_logits(logits_BV, [None, None], [[1], [2]]) is logits_BV
    shifted_BV = shift_logits(logits_BV, [None, BOTH], [[0], [0, 0, 3]])
    assert logits_BV[1].tolist() == LOGITS
    expected_BV = torch.tensor([LOGITS, [2 - 0.9, 1.5, 1.0, -0.6]])
    assert torch.allclose(shifted_BV, expected_BV)
