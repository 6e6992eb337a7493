"""The loss of steps: numbers by hand, its limits, and the classification of two classes."""

import math

import pytest
import torch

from assay.losses.step_labels import compute_step_loss

SCORES = (0.0, 2.0, -1.5, 0.3)
LABELS = (True, False, False, True)


def test_the_loss_is_that_of_the_equation() -> None:
    scores = torch.tensor(SCORES, requires_grad=True)
    losses = compute_step_loss(scores, torch.tensor(LABELS))
    losses.sum().backward()  # type: ignore[no-untyped-call]
    signs = [1 if label else -1 for label in LABELS]
    pairs = list(zip(SCORES, signs, strict=True))
    assert losses.tolist() == pytest.approx([math.log1p(math.exp(-y * s)) for s, y in pairs])
    assert scores.grad is not None
    # The probability to be right, less whether it is.
    expected = [1 / (1 + math.exp(-s)) - (y > 0) for s, y in pairs]
    assert scores.grad.tolist() == pytest.approx(expected, abs=1e-6)


def test_what_is_certain_and_right_costs_nothing_and_what_is_wrong_its_score() -> None:
    losses = compute_step_loss(torch.tensor([60.0, -60.0]), torch.tensor([True, True]))
    assert losses.tolist() == pytest.approx([0.0, 60.0], abs=1e-5)


def test_it_is_the_token_classification_of_two_classes() -> None:
    """As TRL's trainer of process rewards had it: cross entropy at the steps' last tokens, the
    mean over them, every other token left out by the target -100."""
    ends, targets = (2, 5, 6, 9), torch.full((10,), -100)
    scores = torch.tensor(SCORES, requires_grad=True)
    logits = torch.randn(10, 2)
    for place, score, label in zip(ends, scores, LABELS, strict=True):
        # One logit is free where two are: only their difference counts.
        logits[place] = torch.stack([torch.tensor(0.7), score + 0.7])
        targets[place] = int(label)
    theirs = torch.nn.functional.cross_entropy(logits, targets)
    (wanted,) = torch.autograd.grad(theirs, scores)
    ours = compute_step_loss(scores, torch.tensor(LABELS)).mean()
    (found,) = torch.autograd.grad(ours, scores)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
