"""What a student loses against its teacher at supervised positions, with the rows' own loss beside.

Shape legend: N supervised positions, C positions of one chunk, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from assay.losses.chunks import build_head, compute_loss_sum
from assay.losses.divergence import Reference, compute_divergence
from assay.losses.token_loss import TokenLoss, compute_token_loss
from assay.models.forward import Head


@dataclass
class Told:
    """Sums over positions by their weights, float32 scalars: no part of the loss.

    `agreement` is of positions where both hold the same token likeliest.
    """

    divergence: Tensor
    agreement: Tensor


@dataclass(frozen=True)
class Distillation:
    """How student and teacher are compared.

    Attributes:
        beta: in [0, 1]: 0 is the forward divergence, 1 the reverse (`assay.losses.divergence`).
        temperature: above 0, of both.
        sft_weight: of the cross-entropy of the rows' own targets beside the divergence.
    """

    beta: float = 0.0
    temperature: float = 1.0
    sft_weight: float = 0.0


def compute_distillation_sum(
    hidden_ND: Tensor,
    head: Head,
    reference: Reference,
    target_N: Tensor,
    scale_N: Tensor,
    settings: Distillation,
    *,
    chunk: int | None = None,
) -> tuple[Tensor, Told]:
    """``sum_n scale_n * [D_β(teacher_n, student_n) - sft_weight * log q_n(target_n)]``.

    D is the divergence of `assay.losses.divergence`, at the temperature; q the student's
    probability at temperature 1 (Hinton et al. 2015, section 2, without the factor T²).

    Args:
        hidden_ND: the student's final hidden states of the supervised positions.
        head: the student's.
        reference: the teacher's states of the same positions, in the same order, and head.
        target_N: token ids, int64, read where `sft_weight` is above 0.
        scale_N: loss weights, float32, >= 0.
        settings: how both are compared.
        chunk: positions whose logits exist at one time; by default as `choose_chunk` has it.

    Returns:
        A float32 scalar in nats, differentiable with respect to the student's hidden states and
        head; and what is told beside it.
    """
    told = Told(*(scale_N.new_zeros(()) for _ in range(2)))

    def compute(part: slice, get_logits: Callable[[], Tensor], *, needs_grad: bool) -> TokenLoss:
        logits_CV, ref_logits_CV = get_logits(), reference.compute_logits(part)
        found = compute_divergence(
            logits_CV,
            ref_logits_CV,
            beta=settings.beta,
            temperature=settings.temperature,
            softcap=head.softcap,
            needs_grad=needs_grad,
        )
        agrees_C = logits_CV.argmax(-1) == ref_logits_CV.argmax(-1)
        told.agreement += (agrees_C * scale_N[part]).sum()
        told.divergence += (found.loss_C * scale_N[part]).sum()
        return _add_own(found, logits_CV, target_N[part]) if settings.sft_weight else found

    def _add_own(found: TokenLoss, logits_CV: Tensor, target_C: Tensor) -> TokenLoss:
        needs_grad = found.grad_CV is not None
        own = compute_token_loss(
            logits_CV, target_C, label_smoothing=0.0, softcap=head.softcap, needs_grad=needs_grad
        )
        loss_C = found.loss_C + settings.sft_weight * own.loss_C
        if found.grad_CV is None or own.grad_CV is None:
            return TokenLoss(loss_C, None)
        return TokenLoss(loss_C, found.grad_CV.add_(own.grad_CV, alpha=settings.sft_weight))

    weight_VD = head.weight_VD.to(hidden_ND.dtype)
    chunked = build_head(len(target_N), weight_VD, head.bias_V, head.rows, chunk)
    return compute_loss_sum(compute, hidden_ND, chunked, scale_N), told
