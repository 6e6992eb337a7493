"""Credit assignment: from rewards to tokens, by hand."""

import torch

from assay.train.credit import (
    BestOfCredit,
    Graded,
    GroupCredit,
    LeaveOneOutCredit,
    ReturnCredit,
    normalise_over,
)
from assay.train.ranks import ALONE

REWARDS = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
LENGTHS = [2, 1, 1, 3]
PLAIN = Graded(REWARDS, LENGTHS, torch.zeros(7))


def test_every_token_has_its_completions_advantage() -> None:
    found, kept = GroupCredit(scale=False).assign(PLAIN)
    assert found.tolist() == [0.5, 0.5, -0.5, 0.0, 0.0, 0.0, 0.0]
    assert kept == [True] * 4
    left_out, _ = LeaveOneOutCredit().assign(PLAIN)
    assert left_out.tolist() == [1.0, 1.0, -1.0, 0.0, 0.0, 0.0, 0.0]


def test_a_penalty_is_taken_from_the_whole_reward() -> None:
    penalties = torch.tensor([0.25, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0])
    found, _ = GroupCredit(scale=False).assign(Graded(REWARDS, LENGTHS, penalties))
    assert found.tolist()[:3] == [0.25, 0.25, -0.25]


def test_returns_of_tokens_are_normalised_over_the_batch() -> None:
    penalties = torch.tensor([0.1, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0])
    found, _ = ReturnCredit().assign(Graded(REWARDS, LENGTHS, penalties))
    returns = torch.tensor([0.7, 0.8, 0.0, 0.5, 0.5, 0.5, 0.5])
    expected = (returns - returns.mean()) / (returns.std() + 1e-4)
    torch.testing.assert_close(found, expected)
    based, _ = ReturnCredit("group").assign(PLAIN)
    left = torch.tensor([0.5, 0.5, -0.5, 0.0, 0.0, 0.0, 0.0])
    torch.testing.assert_close(based, (left - left.mean()) / (left.std() + 1e-4))


def test_the_best_completions_are_kept_where_they_are_good_enough() -> None:
    found, kept = BestOfCredit(1, 0.5).assign(PLAIN)
    assert kept == [True, False, True, False]
    assert found.tolist() == [1.0] * 7
    assert BestOfCredit(2, 0.75).assign(PLAIN)[1] == [True, False, False, False]


def test_an_empty_share_has_no_credit() -> None:
    empty = Graded(torch.zeros(0, 1), [], torch.zeros(0))
    for credit in (GroupCredit(), ReturnCredit(), BestOfCredit(1, 0.0)):
        found, kept = credit.assign(empty)
        assert (len(found), kept) == (0, [])
    assert normalise_over(torch.tensor([3.0]), ALONE).tolist() == [0.0]
