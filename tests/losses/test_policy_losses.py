"""Losses of sampled completions: numbers by hand, limits, means of estimates."""

import math

import pytest
import torch

from assay.losses import advantages, policy
from assay.losses.averages import weigh_completion
from assay.losses.importance import compute_truncated_weights
from assay.losses.kl_estimators import Estimator, estimate_kl

OWNERS = torch.tensor([0, 0, 1])


def grad_of(loss: torch.Tensor, at: torch.Tensor) -> list[float]:
    (found,) = torch.autograd.grad(loss.sum(), at)
    return [float(value) for value in found]


def test_clipped_ratio_by_hand() -> None:
    logprobs = torch.tensor([math.log(0.3), math.log(0.3), math.log(0.1)], requires_grad=True)
    old = torch.log(torch.tensor([0.2, 0.2, 0.2]))
    ratios = policy.compute_log_ratios(logprobs, old, OWNERS)
    found = policy.compute_clipped(
        ratios, torch.tensor([2.0, -1.0, -1.0]), clip_low=0.2, clip_high=0.3
    )
    # Ratios 1.5, 1.5, 0.5: clipped to 1.3; not where it would hide a loss; clipped to 0.8.
    torch.testing.assert_close(found, torch.tensor([-2.6, 1.5, 0.8]))
    assert grad_of(found, logprobs) == pytest.approx([0.0, 1.5, 0.0], abs=1e-6)
    told = policy.find_clipped(ratios, torch.tensor([2.0, -1.0, -1.0]), clip_low=0.2, clip_high=0.3)
    assert told.tolist() == [True, False, True]


def test_ratios_of_completions_by_hand() -> None:
    logprobs = torch.tensor([-1.0, -2.0, -3.0], requires_grad=True)
    old = torch.tensor([-1.5, -2.1, -3.0])
    mean = policy.compute_log_ratios(logprobs, old, OWNERS, level="mean")
    torch.testing.assert_close(mean, torch.tensor([0.3, 0.3, 0.0]))
    assert grad_of(mean, logprobs) == pytest.approx([1.0, 1.0, 1.0])
    whole = policy.compute_log_ratios(logprobs, old, OWNERS, level="sum")
    torch.testing.assert_close(whole, torch.tensor([0.6, 0.6, 0.0]))
    assert grad_of(whole, logprobs) == pytest.approx([2.0, 2.0, 1.0])


def test_cispo_weighs_a_clipped_token_and_keeps_its_gradient() -> None:
    logprobs = torch.tensor([math.log(0.8), math.log(0.1), -1.0], requires_grad=True)
    old = torch.log(torch.tensor([0.2, 0.2, math.exp(-1.0)]))
    ratios = policy.compute_log_ratios(logprobs, old, OWNERS)
    found = policy.compute_cispo(logprobs, ratios, torch.tensor([1.0, 1.0, -3.0]), clip_high=1.0)
    # Ratio 4 is held to 2, ratio 0.5 stays.
    assert grad_of(found, logprobs) == pytest.approx([-2.0, -0.5, 3.0], abs=1e-5)


@pytest.mark.parametrize("level", ["token", "mean", "sum"])
def test_at_the_sampling_model_every_loss_has_the_gradient_of_reinforce(
    level: policy.Level,
) -> None:
    logprobs = torch.tensor([-1.0, -2.0, -0.5], requires_grad=True)
    credit = torch.tensor([0.7, 0.7, -1.2])
    ratios = policy.compute_log_ratios(logprobs, logprobs.detach(), OWNERS, level=level)
    clipped = policy.compute_clipped(ratios, credit, clip_low=0.2, clip_high=0.2)
    weights = {"token": 1.0, "mean": 1.0, "sum": 0.5}[level]
    by_owner = torch.tensor([weights, weights, 1.0])
    assert grad_of(clipped * by_owner, logprobs) == pytest.approx([-0.7, -0.7, 1.2], abs=1e-6)
    if level == "token":
        cispo = policy.compute_cispo(logprobs, ratios, credit, clip_high=2.0)
        assert grad_of(cispo, logprobs) == pytest.approx([-0.7, -0.7, 1.2], abs=1e-6)


def test_no_advantage_no_gradient() -> None:
    logprobs = torch.tensor([-1.0, -2.0, -0.5], requires_grad=True)
    old, zeros = torch.tensor([-1.3, -2.5, -0.1]), torch.zeros(3)
    for level in ("token", "mean", "sum"):
        ratios = policy.compute_log_ratios(logprobs, old, OWNERS, level=level)
        clipped = policy.compute_clipped(ratios, zeros, clip_low=0.2, clip_high=0.2)
        assert grad_of(clipped, logprobs) == [0.0, 0.0, 0.0]
    cispo = policy.compute_cispo(logprobs, ratios, zeros, clip_high=2.0)
    assert grad_of(cispo, logprobs) == [0.0, 0.0, 0.0]


def test_averages_by_hand() -> None:
    losses = [[1.0, 3.0], [6.0]]

    def average(kind: str) -> float:
        told = [
            (weigh_completion(len(own), average=kind, max_new_tokens=4), own)  # type: ignore[arg-type]
            for own in losses
        ]
        return sum(w * sum(own) for (w, _), own in told) / sum(d for (_, d), _ in told)

    assert average("completion") == pytest.approx((2 + 6) / 2)
    assert average("token") == pytest.approx(10 / 3)
    assert average("length_limit") == pytest.approx((4 / 4 + 6 / 4) / 2)


@pytest.mark.parametrize(
    ("estimator", "value", "gradient"),
    [("k1", 0.5, 1.0), ("k2", 0.125, 0.5), ("k3", math.exp(-0.5) - 0.5, 1 - math.exp(-0.5))],
)
def test_estimates_of_the_divergence_by_hand(
    estimator: Estimator, value: float, gradient: float
) -> None:
    logprobs = torch.tensor([-1.0], requires_grad=True)
    found = estimate_kl(logprobs, torch.tensor([-1.5]), estimator)
    assert found.item() == pytest.approx(value, abs=1e-6)
    assert grad_of(found, logprobs) == pytest.approx([gradient], abs=1e-6)


def test_means_of_estimates_and_of_their_gradients_are_those_of_the_table() -> None:
    """Over a whole vocabulary, each token weighed by how often the model samples it."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(7, generator=generator, dtype=torch.float64, requires_grad=True)
    ref = torch.randn(7, generator=generator, dtype=torch.float64).log_softmax(0)
    logprobs = logits.log_softmax(0)
    probs = logprobs.exp()

    def slope(value: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(value, logits, retain_graph=True)[0]

    reverse = (probs * (logprobs - ref)).sum()
    forward = (ref.exp() * (ref - logprobs)).sum()
    of_gradient = {"k1": torch.zeros(7, dtype=torch.float64)}
    of_gradient |= {"k2": slope(reverse), "k3": slope(forward)}
    for name, expected in of_gradient.items():
        estimates = estimate_kl(logprobs, ref, name)  # type: ignore[arg-type]
        if name != "k2":
            assert (probs * estimates).sum().item() == pytest.approx(reverse.item())
        torch.testing.assert_close(slope((probs.detach() * estimates).sum()), expected)


def test_importance_weights_are_cut_off() -> None:
    old, sampled = torch.log(torch.tensor([0.4, 0.1])), torch.log(torch.tensor([0.1, 0.2]))
    found = compute_truncated_weights(old, sampled, cap=2.0)
    torch.testing.assert_close(found, torch.tensor([2.0, 0.5]))


def test_group_advantages_by_hand() -> None:
    rewards = torch.tensor([[1.0, 0.0, 0.0, 1.0], [2.0, 2.0, 2.0, 2.0]])
    found = advantages.compute_group_advantages(rewards)
    expected = 0.5 / (math.sqrt(1 / 3) + 1e-4)
    torch.testing.assert_close(found[0], expected * torch.tensor([1.0, -1, -1, 1]))
    assert found[1].tolist() == [0.0] * 4
    unscaled = advantages.compute_group_advantages(rewards, scale=False)
    assert unscaled[0].tolist() == [0.5, -0.5, -0.5, 0.5]
    left_out = advantages.compute_leave_one_out(rewards)
    torch.testing.assert_close(left_out[0], torch.tensor([1.0, -1, -1, 1]) * 2 / 3)


def test_normalised_over_a_batch() -> None:
    found = advantages.normalise(torch.tensor([1.0, 2.0, 6.0]))
    assert float(found.mean()) == pytest.approx(0.0, abs=1e-6)
    assert float(found.std()) == pytest.approx(1.0, abs=1e-3)
    assert advantages.normalise(torch.tensor([5.0])).tolist() == [0.0]


def test_returns_and_gae_by_hand() -> None:
    rewards = torch.tensor([0.0, 1.0, 2.0])
    assert advantages.compute_returns(rewards, [2, 1]).tolist() == [1.0, 1.0, 2.0]
    assert advantages.compute_returns(rewards, [2, 1], gamma=0.5).tolist() == [0.5, 1.0, 2.0]
    values = torch.tensor([0.5, 0.2, 1.0])
    # δ = 0 + 0.9·0.2 - 0.5, 1 - 0.2, 2 - 1; the first adds 0.9·0.8 of the second.
    found = advantages.compute_gae(rewards, values, [2, 1], gamma=0.9, lam=0.8)
    torch.testing.assert_close(found, torch.tensor([-0.32 + 0.72 * 0.8, 0.8, 1.0]))
    one_step = advantages.compute_gae(rewards, values, [2, 1], gamma=0.9, lam=0.0)
    torch.testing.assert_close(one_step, torch.tensor([-0.32, 0.8, 1.0]))


def test_overlong_completions_lose_reward_by_degrees() -> None:
    lengths = torch.tensor([5, 8, 9, 10])
    found = advantages.shape_overlong(torch.ones(4), lengths, max_new_tokens=10, margin=2)
    assert found.tolist() == [1.0, 1.0, 0.5, 0.0]
    assert (
        advantages.shape_overlong(torch.ones(4), lengths, max_new_tokens=10, margin=0).tolist()
        == [1.0] * 4
    )
