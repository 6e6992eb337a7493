"""Chunked cross-entropy over random shapes, in bfloat16, and without gradients."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy

from assay.losses import chunks as module
from assay.losses.cross_entropy import compute_cross_entropy_sum, compute_token_logprobs


def draw(num: int, *, seed: int = 0, size: int = 6, vocab: int = 11) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(num, size, generator=generator),
        torch.randn(vocab, size, generator=generator),
        torch.randint(vocab, (num,), generator=generator),
        torch.rand(num, generator=generator) + 0.1,
    ]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 40),
    st.integers(1, 50),
    st.floats(0, 0.9),
    st.sampled_from([None, 0.7, 5.0]),
    st.integers(0, 9),
)
def test_any_shape_equals_pytorch(
    num: int, chunk: int, smoothing: float, softcap: float | None, seed: int
) -> None:
    hidden, weight, target, scale = draw(num, seed=seed)
    ours = [t.clone().requires_grad_() for t in (hidden, weight)]
    plain = [t.clone().requires_grad_() for t in (hidden, weight)]
    loss = compute_cross_entropy_sum(
        ours[0], ours[1], target, scale, label_smoothing=smoothing, softcap=softcap, chunk=chunk
    )
    logits = plain[0] @ plain[1].t()
    if softcap:
        logits = softcap * (logits / softcap).tanh()
    each = cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)
    reference = (each * scale).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    reference.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(loss, reference, rtol=1e-5, atol=1e-5)
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("for_hidden", "for_weight"), [(True, False), (False, True)])
def test_a_frozen_side_gets_no_gradient_and_the_other_the_same(
    for_hidden: bool, for_weight: bool
) -> None:
    hidden, weight, target, scale = draw(9)
    both = [t.clone().requires_grad_() for t in (hidden, weight)]
    compute_cross_entropy_sum(both[0], both[1], target, scale, chunk=4).backward()  # type: ignore[no-untyped-call]
    hidden.requires_grad_(for_hidden)
    weight.requires_grad_(for_weight)
    compute_cross_entropy_sum(hidden, weight, target, scale, chunk=4).backward()  # type: ignore[no-untyped-call]
    for tensor, reference, wanted in zip(
        (hidden, weight), both, (for_hidden, for_weight), strict=True
    ):
        assert (tensor.grad is not None) == wanted
        if wanted:
            torch.testing.assert_close(tensor.grad, reference.grad)


def test_evaluation_makes_no_gradient_of_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trainable head under no_grad costs no second matrix product."""
    hidden, weight, target, scale = draw(9)
    with_gradient = compute_cross_entropy_sum(hidden, weight.requires_grad_(), target, scale)
    asked: list[tuple[bool, ...]] = []
    inner: Any = module._LossSum.apply

    def note(*args: Any) -> Any:
        asked.append(tuple(tensor.requires_grad for tensor in args[:2]))
        return inner(*args)

    monkeypatch.setattr(module._LossSum, "apply", note)
    with torch.no_grad():
        loss = compute_cross_entropy_sum(hidden, weight, target, scale)
    assert asked == [(False, False)]
    assert float(loss) == float(with_gradient.detach())


def test_bfloat16_keeps_its_dtype_and_is_close() -> None:
    hidden, weight, target, scale = draw(40)
    exact = [t.clone().requires_grad_() for t in (hidden, weight)]
    half = [t.bfloat16().requires_grad_() for t in (hidden, weight)]
    reference = compute_cross_entropy_sum(exact[0], exact[1], target, scale, chunk=16)
    loss = compute_cross_entropy_sum(half[0], half[1], target, scale, chunk=16)
    reference.backward()  # type: ignore[no-untyped-call]
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(reference), rel=1e-2)
    for a, b in zip(half, exact, strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert a.grad.dtype == torch.bfloat16
        assert float((a.grad.float() - b.grad).norm() / b.grad.norm()) < 0.02


def test_no_target_is_no_loss() -> None:
    hidden, weight, target, scale = draw(0)
    weight.requires_grad_()
    loss = compute_cross_entropy_sum(hidden, weight, target, scale)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss) == 0
    assert weight.grad is not None
    assert not weight.grad.any()
    assert compute_token_logprobs(hidden, weight, target).shape == (0,)
