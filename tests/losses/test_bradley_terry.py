"""The loss of a reward model: numbers derived by hand, limits, and TRL's own code."""

import math
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from assay.losses.bradley_terry import compute_bradley_terry

CHOSEN, REJECTED = (1.5, -0.25, 3.0, 0.0), (0.5, 0.75, 3.0, -2.0)
MARGINS = (0.0, 0.5, 1.0, -0.25)


def test_the_loss_is_that_of_the_equation() -> None:
    found = compute_bradley_terry(
        torch.tensor(CHOSEN), torch.tensor(REJECTED), margins_P=torch.tensor(MARGINS), centring=0.1
    )
    expected = [
        math.log1p(math.exp(-(w - r - m))) + 0.1 * (w + r) ** 2
        for w, r, m in zip(CHOSEN, REJECTED, MARGINS, strict=True)
    ]
    assert found.tolist() == pytest.approx(expected, abs=1e-5)


def test_equal_rewards_cost_log_two_and_what_is_pushed_is_their_difference() -> None:
    chosen = torch.tensor([2.0, -1.0], requires_grad=True)
    rejected = torch.tensor([2.0, -1.0], requires_grad=True)
    losses = compute_bradley_terry(chosen, rejected)
    losses.sum().backward()  # type: ignore[no-untyped-call]
    assert losses.tolist() == pytest.approx([math.log(2)] * 2)
    assert chosen.grad is not None and rejected.grad is not None
    assert chosen.grad.tolist() == pytest.approx([-0.5, -0.5])
    assert rejected.grad.tolist() == pytest.approx([0.5, 0.5])


def test_centring_alone_moves_what_both_rewards_have_in_common() -> None:
    """A difference that is certain leaves c (r_w + r_l)², whose gradient is 2 c (r_w + r_l)."""
    chosen = torch.tensor([101.0], requires_grad=True)
    rejected = torch.tensor([-99.0], requires_grad=True)
    compute_bradley_terry(chosen, rejected, centring=0.25).sum().backward()  # type: ignore[no-untyped-call]
    assert chosen.grad is not None and rejected.grad is not None
    assert (float(chosen.grad), float(rejected.grad)) == pytest.approx((1.0, 1.0), abs=1e-6)


@pytest.mark.parametrize("centring", [None, 0.01])
@pytest.mark.parametrize("margins", [None, MARGINS])
def test_value_and_gradient_equal_trl(centring: float | None, margins: Any) -> None:
    pytest.importorskip("trl")
    from trl import RewardTrainer

    def run(rewards: torch.Tensor) -> torch.Tensor:
        accelerator = SimpleNamespace(gather=lambda x: x, gather_for_metrics=lambda x: x)
        trainer = SimpleNamespace(
            model=SimpleNamespace(training=True),
            args=SimpleNamespace(center_rewards_coefficient=centring),
            accelerator=accelerator,
            _metrics={"train": defaultdict(list)},
            _total_train_tokens=0,
            _tp_size=1,
        )
        inputs = {"attention_mask": torch.ones(8, 3)}
        inputs |= {} if margins is None else {"margin": torch.tensor(margins)}
        output = SimpleNamespace(logits=rewards[:, None])
        found: torch.Tensor = RewardTrainer.compute_loss(trainer, lambda **kwargs: output, inputs)
        return found

    def ours(rewards: torch.Tensor) -> torch.Tensor:
        given = None if margins is None else torch.tensor(margins)
        chosen, rejected = rewards.chunk(2)
        return compute_bradley_terry(
            chosen, rejected, margins_P=given, centring=centring or 0.0
        ).mean()

    values, gradients = [], []
    for compute in (ours, run):
        rewards = torch.tensor([*CHOSEN, *REJECTED], requires_grad=True)
        loss = compute(rewards)
        loss.backward()  # type: ignore[no-untyped-call]
        values.append(loss.detach())
        gradients.append(rewards.grad)
    torch.testing.assert_close(*values, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)
