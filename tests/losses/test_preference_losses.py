"""Losses of pairs and ratings: numbers by hand, limits, and signs of gradients."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch

from assay.losses import dpo, ipo, kto, reference_free, single_rewards
from assay.losses.pairs import Pairs

WITH_REFERENCE: dict[str, Callable[..., torch.Tensor]] = {
    "sigmoid": dpo.compute_sigmoid,
    "sigmoid_norm": dpo.compute_sigmoid_norm,
    "robust": partial(dpo.compute_robust, label_smoothing=0.1),
    "hinge": dpo.compute_hinge,
    "exo": partial(dpo.compute_exo, label_smoothing=0.1),
    "discopop": dpo.compute_discopop,
    "ipo": ipo.compute_ipo,
    "nca": single_rewards.compute_nca,
    "bco": single_rewards.compute_bco,
    "sppo": single_rewards.compute_sppo,
    "apo_zero": single_rewards.compute_apo_zero,
}


def build(
    chosen: float,
    rejected: float,
    refs: tuple[float, float] = (0.0, 0.0),
    lengths: tuple[int, int] = (1, 1),
) -> Pairs:
    values = [chosen, rejected, *refs, *map(float, lengths)]
    tensors = [torch.tensor([value]) for value in values]
    for tensor in tensors[:2]:
        tensor.requires_grad_()
    return Pairs(*tensors)


def test_dpo_by_hand() -> None:
    """Log-ratios of 1 and -1 at β = 0.5: h = 1, so the loss is log(1 + 1/e)."""
    pairs = build(-3.0, -6.0, (-4.0, -5.0))
    loss = dpo.compute_sigmoid(pairs, beta=0.5)
    assert float(loss.detach()) == pytest.approx(math.log(1 + math.exp(-1)))
    loss.sum().backward()  # type: ignore[no-untyped-call]
    # -β σ(-h)
    expected = -0.5 / (1 + math.e)
    assert pairs.chosen_logprobs_P.grad is not None and pairs.rejected_logprobs_P.grad is not None
    assert float(pairs.chosen_logprobs_P.grad) == pytest.approx(expected)
    assert float(pairs.rejected_logprobs_P.grad) == pytest.approx(-expected)


def test_conservative_and_robust_dpo_by_hand() -> None:
    """h = 1 and ε = 0.1: log σ(1) = -0.313262, log σ(-1) = -1.313262."""
    pairs = build(-3.0, -6.0, (-4.0, -5.0))
    conservative = dpo.compute_sigmoid(pairs, beta=0.5, label_smoothing=0.1)
    assert float(conservative.detach()) == pytest.approx(0.9 * 0.3132617 + 0.1 * 1.3132617)
    robust = dpo.compute_robust(pairs, beta=0.5, label_smoothing=0.1)
    expected = (0.9 * 0.3132617 - 0.1 * 1.3132617) / 0.8
    assert float(robust.detach()) == pytest.approx(expected, abs=1e-6)


def test_robust_dpo_is_dpo_in_the_mean_over_swapped_labels() -> None:
    clean, swapped = build(-3.0, -6.0, (-4.0, -5.0)), build(-6.0, -3.0, (-5.0, -4.0))
    losses = [dpo.compute_robust(p, beta=0.5, label_smoothing=0.2) for p in (clean, swapped)]
    mean = 0.8 * losses[0] + 0.2 * losses[1]
    torch.testing.assert_close(mean, dpo.compute_sigmoid(clean, beta=0.5))


def test_the_minimum_of_conservative_dpo_lies_at_its_share() -> None:
    """σ(h) = 0.9 for ε = 0.1."""
    pairs = build(math.log(9.0), 0.0)
    dpo.compute_sigmoid(pairs, beta=1.0, label_smoothing=0.1).sum().backward()  # type: ignore[no-untyped-call]
    assert pairs.chosen_logprobs_P.grad is not None
    assert float(pairs.chosen_logprobs_P.grad) == pytest.approx(0, abs=1e-7)


def test_ipo_by_hand_is_of_means() -> None:
    """Means -1 and -2 beside references of -1.5 each: margin 1; at τ = 0.25 the target is 2."""
    pairs = build(-2.0, -8.0, (-3.0, -6.0), (2, 4))
    assert float(ipo.compute_ipo(pairs, beta=0.25).detach()) == pytest.approx(1.0)


def test_hinge_is_nought_beyond_its_margin() -> None:
    assert float(dpo.compute_hinge(build(3.0, 0.0), beta=0.5).detach()) == 0
    assert float(dpo.compute_hinge(build(1.0, 0.0), beta=0.5).detach()) == pytest.approx(0.5)


def test_orpo_by_hand() -> None:
    """Probabilities of 0.8 and 0.5 a token: odds 4 and 1, σ(log 4) = 0.8."""
    pairs = build(3 * math.log(0.8), 2 * math.log(0.5), lengths=(3, 2))
    found = reference_free.compute_odds_ratio(pairs)
    assert float(found.detach()) == pytest.approx(-math.log(0.8))


@pytest.mark.parametrize("logprob", [0.0, -1e-8, -1e-3, -0.6931, -5.0, -80.0])
def test_odds_stay_finite_with_their_gradient(logprob: float) -> None:
    pairs = build(logprob, -1.0)
    reference_free.compute_odds_ratio(pairs).sum().backward()  # type: ignore[no-untyped-call]
    assert pairs.chosen_logprobs_P.grad is not None
    assert math.isfinite(float(pairs.chosen_logprobs_P.grad))


def test_simpo_by_hand() -> None:
    """Means -1 and -2 at β = 2 with γ = 2: log σ(0)."""
    pairs = build(-2.0, -8.0, lengths=(2, 4))
    found = reference_free.compute_simpo(pairs, beta=2.0, gamma=2.0)
    assert float(found.detach()) == pytest.approx(math.log(2))


def test_cpo_is_dpo_with_a_uniform_reference() -> None:
    found = reference_free.compute_cpo(build(-3.0, -6.0), beta=0.3)
    torch.testing.assert_close(
        found, dpo.compute_sigmoid(build(-3.0, -6.0, (-9.0, -9.0)), beta=0.3)
    )


def test_kto_by_hand() -> None:
    """Log-ratios of 2 where z = 1, at β = 1: 1 - σ(1) if wanted, 1 - σ(-1) if not."""
    ratios, wanted = torch.tensor([2.0, 2.0]), torch.tensor([True, False])
    found = kto.compute_kto(ratios, wanted, beta=1.0, kl=1.0)
    torch.testing.assert_close(found, torch.tensor([0.2689414, 0.7310586]))
    assert float(kto.estimate_kl(torch.tensor([-1.0, 3.0]))) == 1
    assert float(kto.estimate_kl(torch.tensor([-3.0, 1.0]))) == 0


@pytest.mark.parametrize("name", ["sigmoid", "sigmoid_norm", "bco", "apo_zero", "hinge"])
def test_without_beta_every_pair_is_undecided(name: str) -> None:
    """β → 0: the loss of an even choice, and no gradient."""
    pairs = build(-3.0, -6.0, (-4.0, -5.0), (2, 3))
    loss = WITH_REFERENCE[name](pairs, beta=1e-8)
    even = {"bco": 2 * math.log(2), "apo_zero": 1.0, "hinge": 1.0}.get(name, math.log(2))
    assert float(loss.detach()) == pytest.approx(even, abs=1e-6)
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert pairs.chosen_logprobs_P.grad is not None
    assert abs(float(pairs.chosen_logprobs_P.grad)) < 1e-7


# DiscoPOP's gradient points the other way at its start, as its authors found.
@pytest.mark.parametrize("name", sorted(WITH_REFERENCE.keys() - {"discopop"}))
def test_at_the_reference_the_gradient_prefers_the_chosen_answer(name: str) -> None:
    pairs = build(-3.0, -6.0, (-3.0, -6.0), (2, 3))
    WITH_REFERENCE[name](pairs, beta=0.1).sum().backward()  # type: ignore[no-untyped-call]
    assert pairs.chosen_logprobs_P.grad is not None and pairs.rejected_logprobs_P.grad is not None
    assert float(pairs.chosen_logprobs_P.grad) < 0 < float(pairs.rejected_logprobs_P.grad)


@pytest.mark.parametrize("name", ["sigmoid", "sigmoid_norm", "robust", "hinge", "ipo", "exo"])
def test_losses_of_the_margin_do_not_see_what_both_answers_share(name: str) -> None:
    """Gradients of both answers cancel where they are one and the same."""
    pairs = build(-4.0, -4.0, (-3.0, -3.0), (2, 2))
    WITH_REFERENCE[name](pairs, beta=0.1).sum().backward()  # type: ignore[no-untyped-call]
    assert pairs.chosen_logprobs_P.grad is not None and pairs.rejected_logprobs_P.grad is not None
    total = pairs.chosen_logprobs_P.grad + pairs.rejected_logprobs_P.grad
    assert float(total) == pytest.approx(0, abs=1e-7)
