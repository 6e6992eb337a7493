"""Cross-entropy of supervised positions, in chunks, without ever holding the logits of a batch.

Shape legend: N supervised positions, C positions of one chunk, D hidden size, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from assay.models.fast.matmul import matmul, matmul_t

MOST_POSITIONS = 256
CHUNK_BYTES = {"cpu": 32 << 20, "cuda": 512 << 20}
"""Of one chunk's float32 logits. Beyond 32 MiB the C library maps every buffer anew, and the pages
it faults in cost more than the products: measured three times the softmax's time."""


def choose_chunk(weight_VD: Tensor) -> int:
    """Positions whose logits are held at one time, from the vocabulary and the device."""
    most = CHUNK_BYTES.get(weight_VD.device.type, CHUNK_BYTES["cuda"]) // (4 * len(weight_VD))
    return max(16, min(most, MOST_POSITIONS) if weight_VD.device.type == "cpu" else most)


def compute_logits(hidden_CD: Tensor, weight_VD: Tensor, softcap: float | None) -> Tensor:
    """Logits in float32, shape (C, V), with the optional tanh soft cap of Gemma 2."""
    logits_CV = matmul_t(hidden_CD, weight_VD).float()
    return logits_CV if softcap is None else torch.tanh(logits_CV / softcap) * softcap


class ChunkGradients:
    """What a chunked loss made in its forward pass: the gradients of hidden states and head."""

    def __init__(self, ctx: Any, hidden_ND: Tensor, weight_VD: Tensor) -> None:
        needs_hidden, needs_weight = ctx.needs_input_grad[:2]
        self.hidden_ND = torch.empty_like(hidden_ND) if needs_hidden else None
        self.weight_VD = torch.zeros_like(weight_VD, dtype=torch.float32) if needs_weight else None

    @property
    def are_needed(self) -> bool:
        return self.hidden_ND is not None or self.weight_VD is not None

    def add(
        self,
        part: slice,
        grad_CV: Tensor,
        scale_C: Tensor,
        hidden_CD: Tensor,
        weight_VD: Tensor,
    ) -> None:
        """Take the gradient with respect to the logits of the positions of `part`.

        `scale_C` multiplies it; it is applied to rows of size D, which are shorter.
        """
        grad_CV = grad_CV.to(hidden_CD.dtype)
        scale_C1 = scale_C[:, None].to(hidden_CD.dtype)
        if self.hidden_ND is not None:
            self.hidden_ND[part] = matmul(grad_CV, weight_VD).mul_(scale_C1)
        if self.weight_VD is not None:
            self.weight_VD += matmul(grad_CV.t(), hidden_CD * scale_C1)

    def save(self, ctx: Any, dtype: torch.dtype) -> None:
        """Keep them for `scale_gradients`; `dtype` is that of the head's weight."""
        found = (self.hidden_ND, self.weight_VD)
        ctx.save_for_backward(*(grad for grad in found if grad is not None))
        ctx.weight_dtype = dtype


def scale_gradients(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """The saved gradients of hidden states and head times that of the loss."""
    saved = list(ctx.saved_tensors)
    grad_hidden = saved.pop(0) * upstream if ctx.needs_input_grad[0] else None
    grad_weight = None
    if ctx.needs_input_grad[1]:
        grad_weight = (saved.pop(0) * upstream).to(ctx.weight_dtype)
    return grad_hidden, grad_weight


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Sum of weighted token losses; the gradient is made chunk by chunk in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        target_N: Tensor,
        scale_N: Tensor,
        label_smoothing: float,
        softcap: float | None,
        chunk: int,
    ) -> Tensor:
        grads = ChunkGradients(ctx, hidden_ND, weight_VD)
        total = hidden_ND.new_zeros((), dtype=torch.float32)
        for start in range(0, len(target_N), chunk):
            part = slice(start, start + chunk)
            hidden_CD, target_C, scale_C = hidden_ND[part], target_N[part], scale_N[part]
            logits_CV = compute_logits(hidden_CD, weight_VD, softcap)
            # One pass of a fused kernel; `logsumexp` takes ten times as long on a CPU.
            logprobs_CV = logits_CV.log_softmax(-1)
            loss_C = -logprobs_CV.gather(1, target_C[:, None]).squeeze(1)
            if label_smoothing:
                uniform_C = -logprobs_CV.mean(-1)
                loss_C = (1 - label_smoothing) * loss_C + label_smoothing * uniform_C
            total += (loss_C * scale_C).sum()
            if not grads.are_needed:
                continue
            cap_CV = None if softcap is None else 1 - (logits_CV / softcap).square()
            grad_CV = logprobs_CV.exp_()
            if label_smoothing:
                grad_CV -= label_smoothing / grad_CV.shape[1]
            rows = torch.arange(len(target_C), device=target_C.device)
            grad_CV[rows, target_C] -= 1 - label_smoothing
            if cap_CV is not None:
                grad_CV *= cap_CV
            grads.add(part, grad_CV, scale_C, hidden_CD, weight_VD)
        grads.save(ctx, weight_VD.dtype)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        return *scale_gradients(ctx, grad_outputs[0]), None, None, None, None, None


def compute_cross_entropy_sum(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    target_N: Tensor,
    scale_N: Tensor,
    *,
    label_smoothing: float = 0.0,
    softcap: float | None = None,
    chunk: int | None = None,
) -> Tensor:
    """Weighted sum of token losses at supervised positions.

    ``sum_n scale_n * [(1 - e) * -log p_n(target_n) + e / V * sum_v -log p_n(v)]`` with smoothing e
    (Szegedy et al. 2016, section 7; the uniform term includes the target, as in PyTorch). Divide
    once by the loss weight of the whole optimizer step; that is left to the caller.

    Args:
        hidden_ND: final hidden states of the supervised positions, any float dtype.
        weight_VD: the output head's weight, same dtype as `hidden_ND`.
        target_N: token ids, int64.
        scale_N: loss weights, float32, >= 0.
        label_smoothing: in [0, 1).
        softcap: Gemma 2's final logit soft cap, or None.
        chunk: positions whose logits exist at one time; by default as `choose_chunk` has it.

    Returns:
        A float32 scalar; differentiable with respect to `hidden_ND` and `weight_VD`.
    """
    if not torch.is_grad_enabled():
        # Autograd functions report a parameter as needing its gradient even then: as much work.
        hidden_ND, weight_VD = hidden_ND.detach(), weight_VD.detach()
    loss: Tensor = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden_ND,
        weight_VD,
        target_N,
        scale_N,
        label_smoothing,
        softcap,
        chunk or choose_chunk(weight_VD),
    )
    return loss


@torch.no_grad()
def compute_token_logprobs(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    target_N: Tensor,
    *,
    softcap: float | None = None,
    chunk: int | None = None,
) -> Tensor:
    """Log-probability of each target, float32, shape (N,); no gradient."""
    parts = []
    chunk = chunk or choose_chunk(weight_VD)
    for start in range(0, len(target_N), chunk):
        part = slice(start, start + chunk)
        logprobs_CV = compute_logits(hidden_ND[part], weight_VD, softcap).log_softmax(-1)
        parts.append(logprobs_CV.gather(1, target_N[part, None]).squeeze(1))
    return torch.cat(parts) if parts else hidden_ND.new_zeros(0, dtype=torch.float32)
