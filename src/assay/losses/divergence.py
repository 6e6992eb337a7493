"""How far two distributions of the next token lie apart: forward, reverse and what is between.

With P the reference's (a teacher, a base), Q the model's, both softened by a temperature, and
``M = β P + (1 - β) Q``:

* β = 0: ``KL(P ‖ Q)``, which spreads Q over all that P holds possible (Hinton et al. 2015);
* β = 1: ``KL(Q ‖ P)``, which keeps Q out of what P holds impossible (Gu et al. 2024, "MiniLLM");
* between: ``β KL(P ‖ M) + (1 - β) KL(Q ‖ M)``, the generalised Jensen-Shannon divergence (Agarwal
  et al. 2024, "On-policy distillation of language models", equation 1). Towards 0 it is β times the
  first, towards 1 it is 1 - β times the second, so that its ends do not meet them.

Shape legend: N supervised positions, C positions of one chunk, D hidden size, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from assay.losses.chunks import PositionLoss, compute_logits
from assay.losses.token_loss import TokenLoss, cap_gradient, cap_logits


@dataclass(frozen=True)
class Reference:
    """What the model is compared with: hidden states of the same positions, and their own head.

    Nothing of it gets a gradient. Its hidden size may be another than the model's.
    """

    hidden_ND: Tensor
    weight_VD: Tensor
    softcap: float | None = None
    bias_V: Tensor | None = None

    @torch.no_grad()
    def compute_logits(self, part: slice) -> Tensor:
        """The logits of the positions `part`, float32, shape (C, V)."""
        return compute_logits(self.hidden_ND[part], self.weight_VD, self.softcap, self.bias_V)


def build_divergence(
    reference: Reference,
    *,
    beta: float = 0.0,
    temperature: float = 1.0,
    softcap: float | None = None,
) -> PositionLoss:
    """The divergence of the model at each position; see `compute_divergence`."""

    def compute(part: slice, get_logits: Callable[[], Tensor], *, needs_grad: bool) -> TokenLoss:
        return compute_divergence(
            get_logits(),
            reference.compute_logits(part),
            beta=beta,
            temperature=temperature,
            softcap=softcap,
            needs_grad=needs_grad,
        )

    return compute


def compute_divergence(
    logits_CV: Tensor,
    ref_logits_CV: Tensor,
    *,
    beta: float = 0.0,
    temperature: float = 1.0,
    softcap: float | None = None,
    needs_grad: bool,
) -> TokenLoss:
    """The divergence at each position in nats, and its gradient with respect to `logits_CV`.

    Args:
        logits_CV: the model's, any float dtype, before the soft cap.
        ref_logits_CV: the reference's, float32, behind its own.
        beta: in [0, 1]: 0 forward, 1 reverse.
        temperature: above 0; both logits are divided by it. As in Agarwal et al. and in TRL the
            result is not multiplied by its square.
        softcap: the model's own, or None.
        needs_grad: whether to make the gradient too.

    Heads that are padded to different sizes are compared over the words that both have.
    """
    num_words = logits_CV.shape[1]
    num_common = min(num_words, ref_logits_CV.shape[1])
    logits_CV, ref_logits_CV = logits_CV[:, :num_common], ref_logits_CV[:, :num_common]
    logits_CV = cap_logits(logits_CV, softcap)
    logprobs_CV = _soften(logits_CV, temperature)
    ref_logprobs_CV = _soften(ref_logits_CV, temperature)
    compare = _compare_forward if beta == 0 else _compare_mixed
    found = compare(logprobs_CV, ref_logprobs_CV, beta, needs_grad)
    if found.grad_CV is None:
        return found
    grad_CV = found.grad_CV if temperature == 1 else found.grad_CV.div_(temperature)
    grad_CV = cap_gradient(grad_CV, logits_CV, softcap)
    if num_common < num_words:
        grad_CV = pad(grad_CV, (0, num_words - num_common))
    return TokenLoss(found.loss_C, grad_CV)


def _soften(logits_CV: Tensor, temperature: float) -> Tensor:
    return (logits_CV if temperature == 1 else logits_CV / temperature).log_softmax(-1)


def _compare_forward(
    logprobs_CV: Tensor, ref_logprobs_CV: Tensor, beta: float, needs_grad: bool
) -> TokenLoss:
    """``Σ p (log p - log q)``, whose gradient with respect to q's logits is ``q - p``."""
    ref_probs_CV = ref_logprobs_CV.exp()
    loss_C = (ref_probs_CV * (ref_logprobs_CV - logprobs_CV)).sum(-1)
    return TokenLoss(loss_C, logprobs_CV.exp_().sub_(ref_probs_CV) if needs_grad else None)


def _compare_mixed(
    logprobs_CV: Tensor, ref_logprobs_CV: Tensor, beta: float, needs_grad: bool
) -> TokenLoss:
    """``β Σ p (log p - log m) + (1 - β) Σ q (log q - log m)``; at β = 1 ``Σ q (log q - log p)``.

    The derivative with respect to q is ``(1 - β) (log q - log m)``: what m changes by cancels.
    """
    is_reverse = beta == 1
    mixed_CV = ref_logprobs_CV if is_reverse else _mix(logprobs_CV, ref_logprobs_CV, beta)
    weight = 1.0 if is_reverse else 1 - beta
    gaps_CV = logprobs_CV - mixed_CV
    probs_CV = logprobs_CV.exp()
    own_C = (probs_CV * gaps_CV).sum(-1)
    loss_C = own_C
    if not is_reverse:
        ref_C = (ref_logprobs_CV.exp() * (ref_logprobs_CV - mixed_CV)).sum(-1)
        loss_C = beta * ref_C + weight * own_C
    if not needs_grad:
        return TokenLoss(loss_C, None)
    return TokenLoss(loss_C, gaps_CV.sub_(own_C[:, None]).mul_(probs_CV).mul_(weight))


def _mix(logprobs_CV: Tensor, ref_logprobs_CV: Tensor, beta: float) -> Tensor:
    return torch.logaddexp(ref_logprobs_CV + math.log(beta), logprobs_CV + math.log1p(-beta))
