"""The constrained loss: by hand, as plain PyTorch has it, and cross-entropy at its two limits."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid

from assay.losses.constrained import compute_constrained_sum
from assay.losses.cross_entropy import compute_cross_entropy_sum, compute_token_logprobs
from assay.models.fast.head_rows import HeadRows

NUM, HIDDEN, VOCAB = 37, 8, 23


def _draw(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(NUM, HIDDEN, generator=generator),
        torch.randn(VOCAB, HIDDEN, generator=generator),
    )


TARGETS = torch.randint(VOCAB, (NUM,), generator=torch.Generator().manual_seed(2))
SCALE = torch.rand(NUM, generator=torch.Generator().manual_seed(3))
BETAS = torch.rand(NUM, generator=torch.Generator().manual_seed(4)) * 2 + 0.1


@pytest.mark.parametrize("chunk", [1, 7, 256])
@pytest.mark.parametrize("softcap", [None, 3.0])
@pytest.mark.parametrize("biased", [False, True])
def test_value_and_gradients_equal_pytorch(chunk: int, softcap: float | None, biased: bool) -> None:
    hidden, weight = _draw(0)
    reference = compute_token_logprobs(*_draw(1), TARGETS)
    bias = torch.linspace(-1, 1, VOCAB) if biased else torch.zeros(VOCAB)
    ours = [t.clone().requires_grad_() for t in (hidden, weight, bias)]
    theirs = [t.clone().requires_grad_() for t in (hidden, weight, bias)]
    loss = compute_constrained_sum(
        *ours[:2],
        TARGETS,
        reference,
        BETAS,
        SCALE,
        softcap=softcap,
        bias_V=ours[2] if biased else None,
        chunk=chunk,
    )
    logits = theirs[0] @ theirs[1].t() + theirs[2]
    logits = torch.tanh(logits / softcap) * softcap if softcap else logits
    gain = log_softmax(logits, -1).gather(1, TARGETS[:, None]).squeeze(1) - reference
    expected = (-2 / BETAS * logsigmoid(BETAS * gain) * SCALE).sum()
    (loss / 3).backward()
    (expected / 3).backward()
    torch.testing.assert_close(loss, expected)
    for a, b in zip(ours[: 2 + biased], theirs[: 2 + biased], strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_two_words_by_hand() -> None:
    # The model gives the target 3/4, the reference 1/2: a gain of ln 1.5. With beta 2 the sigmoid
    # of 2 ln 1.5 is 2.25 / 3.25, so the loss is ln(13 / 9), and the gradient that of cross-entropy
    # (-1/4 on the target's logit, 1/4 on the other's) times 2 * (1 / 3.25).
    hidden = torch.tensor([[1.0]], requires_grad=True)
    weight = torch.tensor([[math.log(3)], [0.0]], requires_grad=True)
    half = torch.tensor([math.log(0.5)])
    loss = compute_constrained_sum(
        hidden, weight, torch.tensor([0]), half, torch.tensor([2.0]), torch.tensor([1.0])
    )
    loss.backward()
    assert loss.item() == pytest.approx(math.log(13 / 9), rel=1e-6)
    factor = 2 / 3.25 / 4
    assert weight.grad.flatten().tolist() == pytest.approx([-factor, factor], rel=1e-6)
    assert hidden.grad.item() == pytest.approx(-factor * math.log(3), rel=1e-6)


@pytest.mark.parametrize("at_reference", [True, False])
def test_the_gradient_is_that_of_cross_entropy_at_the_reference_and_as_beta_vanishes(
    at_reference: bool,
) -> None:
    hidden, weight = _draw(0)
    reference = compute_token_logprobs(*_draw(0 if at_reference else 1), TARGETS)
    betas = BETAS if at_reference else torch.full((NUM,), 1e-5)
    ours, theirs = (hidden.clone().requires_grad_() for _ in range(2))
    loss = compute_constrained_sum(ours, weight, TARGETS, reference, betas, SCALE)
    loss.backward()
    compute_cross_entropy_sum(theirs, weight, TARGETS, SCALE).backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-4)
    if at_reference:
        expected = (2 * math.log(2) / BETAS * SCALE).sum()
        torch.testing.assert_close(loss, expected)


def test_trained_rows_of_the_head_get_the_gradient_that_the_head_would() -> None:
    hidden, weight = _draw(0)
    reference = compute_token_logprobs(*_draw(1), TARGETS)
    ids = torch.tensor([2, 5])
    whole = weight.clone().requires_grad_()
    compute_constrained_sum(hidden, whole, TARGETS, reference, BETAS, SCALE).backward()
    own = weight[ids].clone().requires_grad_()
    other = weight.clone()
    other[ids] = 9.0
    compute_constrained_sum(
        hidden, other, TARGETS, reference, BETAS, SCALE, rows=HeadRows(ids, own)
    ).backward()
    torch.testing.assert_close(own.grad, whole.grad[ids])


def test_the_gradient_is_right_by_finite_differences() -> None:
    generator = torch.Generator().manual_seed(7)
    hidden = torch.randn(3, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    weight = torch.randn(5, 4, dtype=torch.float64, generator=generator)
    reference, scale = torch.tensor([-2.0, -0.5, -3.0]), torch.tensor([1.0, 0.5, 2.0])
    arguments = (torch.tensor([0, 3, 4]), reference, torch.tensor([0.5, 2.0, 0.1]), scale)
    compute_constrained_sum(hidden, weight, *arguments).backward()
    step = 1e-2
    for place in ((0, 0), (1, 2), (2, 3)):
        moved = [hidden.detach().clone() for _ in range(2)]
        moved[0][place] += step
        moved[1][place] -= step
        up, down = (float(compute_constrained_sum(h, weight, *arguments)) for h in moved)
        assert float(hidden.grad[place]) == pytest.approx((up - down) / (2 * step), abs=2e-3)
