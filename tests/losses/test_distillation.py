"""Divergences from a teacher: as TRL's GKD has them, in value and gradient; by hand; limits."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from assay.losses.distillation import Distillation, Told, compute_distillation_sum
from assay.losses.divergence import Reference, compute_divergence
from assay.models.forward import Head

NUM, VOCAB = 23, 19
BETAS = (0.0, 0.1, 0.5, 0.9, 1.0)


def _draw(seed: int, hidden: int = 8, vocab: int = VOCAB) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(NUM, hidden, generator=generator), torch.randn(
        vocab, hidden, generator=generator
    )


def _targets() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(VOCAB, (NUM,), generator=generator), torch.rand(NUM, generator=generator)


def _run(
    hidden: Tensor, weight: Tensor, settings: Distillation, **options: Any
) -> tuple[Tensor, Told]:
    target, scale = _targets()
    reference = options.pop("reference", Reference(*_draw(1, hidden=5)))
    head = Head(weight, options.pop("softcap", None))
    return compute_distillation_sum(hidden, head, reference, target, scale, settings, **options)


def _load_trl() -> Any:
    pytest.importorskip("trl", reason="TRL is not installed")
    from trl.experimental.gkd import GKDTrainer

    return GKDTrainer.generalized_jsd_loss


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("beta", BETAS)
def test_value_and_gradients_equal_trl(beta: float, temperature: float) -> None:
    trl_loss = _load_trl()
    _, scale = _targets()
    ours = [t.clone().requires_grad_() for t in _draw(0)]
    theirs = [t.clone().requires_grad_() for t in _draw(0)]
    loss, told = _run(*ours, Distillation(beta=beta, temperature=temperature), chunk=7)
    ref_hidden, ref_weight = _draw(1, hidden=5)
    expected = sum(
        weight * trl_loss(student[None, None], teacher[None, None], None, beta, temperature, "sum")
        for weight, student, teacher in zip(
            scale, theirs[0] @ theirs[1].T, ref_hidden @ ref_weight.T, strict=True
        )
    )
    assert isinstance(expected, Tensor)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(told.divergence, expected.detach(), rtol=1e-5, atol=1e-5)
    (loss / 3).backward()
    (expected / 3).backward()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("softcap", [None, 3.0])
def test_gradients_with_the_rows_own_loss_equal_autograd(
    beta: float, softcap: float | None
) -> None:
    target, scale = _targets()
    settings = Distillation(beta=beta, temperature=1.5, sft_weight=0.4)
    ours = [t.clone().requires_grad_() for t in _draw(0)]
    theirs = [t.clone().requires_grad_() for t in _draw(0)]
    loss, _ = _run(*ours, settings, softcap=softcap)
    logits = theirs[0] @ theirs[1].T
    logits = logits if softcap is None else torch.tanh(logits / softcap) * softcap
    ref_hidden, ref_weight = _draw(1, hidden=5)
    q = (logits / 1.5).softmax(-1)
    p = (ref_hidden @ ref_weight.T / 1.5).softmax(-1)
    m = beta * p + (1 - beta) * q
    each = {0.0: (p * (p / q).log()).sum(-1), 1.0: (q * (q / p).log()).sum(-1)}.get(
        beta, (beta * p * (p / m).log() + (1 - beta) * q * (q / m).log()).sum(-1)
    )
    expected = ((each + 0.4 * cross_entropy(logits, target, reduction="none")) * scale).sum()
    loss.backward()
    expected.backward()
    torch.testing.assert_close(loss, expected)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)


def test_two_words_by_hand() -> None:
    """A teacher without a preference, a student with odds of 3 to 1."""
    student, teacher = torch.tensor([[math.log(3), 0.0]]), torch.zeros(1, 2)

    def compute(beta: float) -> tuple[float, list[float]]:
        found = compute_divergence(student, teacher, beta=beta, needs_grad=True)
        assert found.grad_CV is not None
        return float(found.loss_C), found.grad_CV[0].tolist()

    forward, reverse, even = compute(0.0), compute(1.0), compute(0.5)
    assert forward[0] == pytest.approx(0.5 * math.log(4 / 3), rel=1e-6)
    assert forward[1] == pytest.approx([0.25, -0.25], rel=1e-6)
    assert reverse[0] == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), rel=1e-6)
    # q (log q/p - KL): the odds of 3 times the probabilities of both words.
    assert reverse[1] == pytest.approx([3 / 16 * math.log(3), -3 / 16 * math.log(3)], rel=1e-6)
    own = 0.75 * math.log(0.75 / 0.625) + 0.25 * math.log(0.25 / 0.375)
    ref = 0.5 * math.log(0.5 / 0.625) + 0.5 * math.log(0.5 / 0.375)
    assert even[0] == pytest.approx(0.5 * (own + ref), rel=1e-6)
    assert even[1][0] == pytest.approx(0.5 * 3 / 16 * math.log(9 / 5), rel=1e-6)


@pytest.mark.parametrize("near", [1e-3, 1 - 1e-3])
def test_near_its_ends_the_mixture_is_a_share_of_each_divergence(near: float) -> None:
    (student, weight), (teacher, ref_weight) = _draw(0), _draw(1, hidden=5)
    # The further apart they are, the nearer to an end its limit holds.
    reference = Reference(0.2 * teacher, ref_weight)

    def run(beta: float) -> float:
        return float(_run(0.2 * student, weight, Distillation(beta=beta), reference=reference)[0])

    assert run(near) / min(near, 1 - near) == pytest.approx(run(round(near)), rel=0.01)


@pytest.mark.parametrize("beta", BETAS)
def test_a_student_equal_to_its_teacher_has_nothing_to_learn(beta: float) -> None:
    hidden, weight = (t.requires_grad_() for t in _draw(0))
    loss, told = _run(hidden, weight, Distillation(beta=beta), reference=Reference(hidden, weight))
    loss.backward()
    assert abs(loss.item()) < 1e-5 and float(hidden.grad.abs().max()) < 1e-6
    assert float(told.agreement) == pytest.approx(float(_targets()[1].sum()))


@pytest.mark.parametrize(("own", "teachers"), [(VOCAB, VOCAB + 4), (VOCAB + 4, VOCAB)])
def test_padding_of_either_head_changes_nothing(own: int, teachers: int) -> None:
    hidden, weight = _draw(0)
    ref_hidden, ref_weight = _draw(1, hidden=5)
    settings = Distillation(beta=0.5)

    def run(own: int, teachers: int) -> tuple[Tensor, Tensor]:
        student = torch.cat([weight, torch.ones(own - VOCAB, 8)]).requires_grad_()
        teacher = torch.cat([ref_weight, torch.ones(teachers - VOCAB, 5)])
        loss, _ = _run(hidden, student, settings, reference=Reference(ref_hidden, teacher))
        loss.backward()
        assert student.grad is not None and not student.grad[VOCAB:].any()
        return loss.detach(), student.grad[:VOCAB]

    for one, other in zip(run(own, teachers), run(VOCAB, VOCAB), strict=True):
        torch.testing.assert_close(one, other)
