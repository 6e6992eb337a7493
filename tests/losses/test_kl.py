"""Divergence from a reference: as PyTorch has it, in value and gradients, and by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from assay.losses.kl import compute_kl_sum
from assay.models.fast.head_rows import HeadRows


def _draw(seed: int, *, num: int = 37, hidden: int = 8, vocab: int = 23) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(num, hidden, generator=generator),
        torch.randn(vocab, hidden, generator=generator),
    )


@pytest.mark.parametrize("chunk", [1, 7, 37, 256])
@pytest.mark.parametrize("softcap", [None, 3.0])
@pytest.mark.parametrize("biased", [False, True])
def test_value_and_gradients_equal_pytorch(chunk: int, softcap: float | None, biased: bool) -> None:
    hidden, weight = _draw(0)
    ref_hidden, ref_weight = (t.requires_grad_() for t in _draw(1))
    scale = torch.rand(37, generator=torch.Generator().manual_seed(2))
    bias = torch.linspace(-1, 1, len(weight)) if biased else torch.zeros(len(weight))
    ours = [t.clone().requires_grad_() for t in (hidden, weight, bias)]
    theirs = [t.clone().requires_grad_() for t in (hidden, weight, bias)]
    loss = compute_kl_sum(
        *ours[:2],
        ref_hidden,
        ref_weight,
        scale,
        softcap=softcap,
        bias_V=ours[2] if biased else None,
        chunk=chunk,
    )

    def logprobs(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        logits = hidden @ weight.t() + bias
        return log_softmax(torch.tanh(logits / softcap) * softcap if softcap else logits, -1)

    expected = logprobs(ref_hidden, ref_weight, bias).detach()
    each = kl_div(logprobs(*theirs), expected, reduction="none", log_target=True).sum(-1)
    reference = (each * scale).sum()
    (loss / 3).backward()
    (reference / 3).backward()
    torch.testing.assert_close(loss, reference)
    for a, b in zip(ours[: 2 + biased], theirs[: 2 + biased], strict=True):
        torch.testing.assert_close(a.grad, b.grad)
    assert ref_hidden.grad is None and ref_weight.grad is None


def test_two_classes_by_hand() -> None:
    # The reference is even, the model has odds of 3 to 1: (ln(2/3) + ln 2) / 2, half of ln(4/3).
    loss = compute_kl_sum(
        torch.tensor([[1.0]]),
        torch.tensor([[math.log(3)], [0.0]]),
        torch.tensor([[0.0]]),
        torch.tensor([[math.log(3)], [0.0]]),
        torch.tensor([2.0]),
    )
    assert float(loss) == pytest.approx(2 * 0.5 * math.log(4 / 3), rel=1e-6)


def test_it_is_nought_with_a_gradient_of_nought_where_both_agree() -> None:
    hidden, weight = (t.requires_grad_() for t in _draw(3))
    loss = compute_kl_sum(hidden, weight, hidden, weight, torch.ones(37))
    loss.backward()
    assert loss.item() == 0
    assert not hidden.grad.any() and not weight.grad.any()


def test_the_value_is_the_same_without_gradients() -> None:
    (hidden, weight), (ref_hidden, ref_weight) = _draw(0), _draw(1)
    with_gradients = compute_kl_sum(
        hidden.clone().requires_grad_(), weight, ref_hidden, ref_weight, torch.ones(37)
    )
    plain = compute_kl_sum(hidden, weight, ref_hidden, ref_weight, torch.ones(37))
    assert not plain.requires_grad and torch.equal(plain, with_gradients.detach())


def test_trained_rows_stand_in_the_places_of_the_weights_own() -> None:
    """The reference has the weight's own there, as a base has without its adapters."""
    hidden, weight = _draw(0)
    ids, fresh = torch.tensor([4, 22, 0]), torch.linspace(-1, 1, 24).view(3, 8)
    scale = torch.rand(37, generator=torch.Generator().manual_seed(2))
    ours = [t.clone().requires_grad_() for t in (hidden, fresh)]
    theirs = [t.clone().requires_grad_() for t in (hidden, fresh)]
    reference, merged = (_draw(1)[0], weight), weight.index_copy(0, ids, theirs[1])
    loss = compute_kl_sum(ours[0], weight, *reference, scale, rows=HeadRows(ids, ours[1]), chunk=7)
    expected = compute_kl_sum(theirs[0], merged, *reference, scale, chunk=7)
    torch.testing.assert_close(loss, expected)
    for each in (loss, expected):
        each.backward()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad)
