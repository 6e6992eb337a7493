"""The loss of a value function: numbers derived by hand, its clip, and where it has no gradient."""

import pytest
import torch

from assay.losses.value import compute_value_loss


def test_the_loss_is_half_of_the_greater_of_both_squares() -> None:
    values = torch.tensor([1.0, 0.1, 0.9, -1.0])
    old, returns = torch.tensor([0.0, 0.0, 1.0, 0.0]), torch.tensor([1.0, 0.0, 0.0, -2.0])
    found = compute_value_loss(values, old, returns, clip=0.2)
    # 1: far beyond the clip, where 0.2 is 0.8 away from 1. 2 and 3: within it. 4: clipped at -0.2.
    assert found.tolist() == pytest.approx([0.32, 0.005, 0.405, 1.62], abs=1e-6)
    plain = compute_value_loss(values, old, returns, clip=None)
    assert plain.tolist() == pytest.approx([0.0, 0.005, 0.405, 0.5], abs=1e-6)


def test_values_beyond_the_clip_towards_the_return_are_left_alone() -> None:
    values = torch.tensor([0.5, 0.5, 0.1], requires_grad=True)
    old, returns = torch.zeros(3), torch.tensor([1.0, -1.0, 1.0])
    compute_value_loss(values, old, returns, clip=0.2).sum().backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    assert values.grad.tolist() == pytest.approx([0.0, 1.5, -0.9], abs=1e-6)


def test_what_was_sampled_gets_no_gradient() -> None:
    values = torch.tensor([0.3], requires_grad=True)
    old, returns = (torch.tensor([x], requires_grad=True) for x in (0.0, 1.0))
    compute_value_loss(values, old, returns, clip=None).sum().backward()  # type: ignore[no-untyped-call]
    assert old.grad is None and returns.grad is None
    assert values.grad is not None and float(values.grad) == pytest.approx(-0.7)
