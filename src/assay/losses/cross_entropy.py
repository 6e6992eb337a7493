"""Cross-entropy of supervised positions, in chunks, without ever holding the logits of a batch.

Shape legend: N supervised positions, C positions of one chunk, D hidden size, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from assay.losses.token_loss import choose_token_loss
from assay.models.fast.matmul import matmul, matmul_t

MOST_POSITIONS = 256
CHUNK_BYTES = {"cpu": 32 << 20, "cuda": 512 << 20}
"""Of one chunk's float32 logits. Beyond 32 MiB the C library maps every buffer anew, and the pages
it faults in cost more than the products: measured three times the softmax's time."""
BLOCK_WORDS = {"cpu": 4096}
"""Of the head's gradient, which is made block by block where one stays in the processor's cache."""


def choose_chunk(weight_VD: Tensor) -> int:
    """Positions whose logits are held at one time, from the vocabulary and the device."""
    most = CHUNK_BYTES.get(weight_VD.device.type, CHUNK_BYTES["cuda"]) // (4 * len(weight_VD))
    return max(16, min(most, MOST_POSITIONS) if weight_VD.device.type == "cpu" else most)


def compute_logits(
    hidden_CD: Tensor, weight_VD: Tensor, softcap: float | None, bias_V: Tensor | None = None
) -> Tensor:
    """Logits in float32, shape (C, V), with Phi's optional bias and Gemma 2's tanh soft cap."""
    logits_CV = _compute_raw_logits(hidden_CD, weight_VD, bias_V).float()
    return logits_CV if softcap is None else torch.tanh(logits_CV / softcap) * softcap


def _compute_raw_logits(hidden_CD: Tensor, weight_VD: Tensor, bias_V: Tensor | None) -> Tensor:
    """In the dtype of the product, in float32 where a bias is added."""
    logits_CV = matmul_t(hidden_CD, weight_VD)
    return logits_CV if bias_V is None else logits_CV.float().add_(bias_V)


class ChunkGradients:
    """What a chunked loss made in its forward pass: the gradients of hidden states and head.

    Hidden states and weight are the first two inputs of its function, the bias is the last.
    """

    def __init__(
        self, ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None
    ) -> None:
        needs_hidden, needs_weight, *_, needs_bias = ctx.needs_input_grad
        self.hidden_ND = torch.empty_like(hidden_ND) if needs_hidden else None
        self.weight_VD = torch.empty_like(weight_VD, dtype=torch.float32) if needs_weight else None
        self.is_empty = True
        self.bias_V = None
        if needs_bias and bias_V is not None:
            self.bias_V = torch.zeros_like(bias_V, dtype=torch.float32)

    @property
    def are_needed(self) -> bool:
        return any(grad is not None for grad in (self.hidden_ND, self.weight_VD, self.bias_V))

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
        if self.bias_V is not None:
            self.bias_V += scale_C @ grad_CV
        grad_CV = grad_CV.to(hidden_CD.dtype)
        scale_C1 = scale_C[:, None].to(hidden_CD.dtype)
        if self.hidden_ND is not None:
            self.hidden_ND[part] = matmul(grad_CV, weight_VD).mul_(scale_C1)
        if self.weight_VD is not None:
            self._add_to_weight(self.weight_VD, grad_CV, hidden_CD * scale_C1)
        self.is_empty = False

    def _add_to_weight(self, total_VD: Tensor, grad_CV: Tensor, hidden_CD: Tensor) -> None:
        block = BLOCK_WORDS.get(total_VD.device.type, len(total_VD))
        for start in range(0, len(total_VD), block):
            words = slice(start, start + block)
            part = matmul(grad_CV[:, words].t(), hidden_CD)
            if self.is_empty:
                total_VD[words] = part
            else:
                total_VD[words] += part

    def save(self, ctx: Any, dtype: torch.dtype) -> None:
        """Keep them for `scale_gradients`; `dtype` is that of the head's weight."""
        if self.is_empty and self.weight_VD is not None:
            self.weight_VD.zero_()
        found = (self.hidden_ND, self.weight_VD, self.bias_V)
        ctx.save_for_backward(*(grad for grad in found if grad is not None))
        ctx.weight_dtype = dtype


def scale_gradients(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    """The saved gradients of hidden states, head and its bias times that of the loss.

    They are scaled in place, so a second pass through the same graph is refused by autograd.
    """
    saved = [grad.mul_(upstream) for grad in ctx.saved_tensors]
    grad_hidden = saved.pop(0) if ctx.needs_input_grad[0] else None
    grad_weight = saved.pop(0).to(ctx.weight_dtype) if ctx.needs_input_grad[1] else None
    grad_bias = saved.pop(0).to(ctx.weight_dtype) if saved else None
    return grad_hidden, grad_weight, grad_bias


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
        bias_V: Tensor | None,
    ) -> Tensor:
        grads = ChunkGradients(ctx, hidden_ND, weight_VD, bias_V)
        total = hidden_ND.new_zeros((), dtype=torch.float32)
        compute = choose_token_loss(hidden_ND.device.type).function
        for start in range(0, len(target_N), chunk):
            part = slice(start, start + chunk)
            hidden_CD, target_C, scale_C = hidden_ND[part], target_N[part], scale_N[part]
            found = compute(  # which may let go of the raw logits as soon as it has its own
                _compute_raw_logits(hidden_CD, weight_VD, bias_V),
                target_C,
                label_smoothing=label_smoothing,
                softcap=softcap,
                needs_grad=grads.are_needed,
            )
            total += (found.loss_C * scale_C).sum()
            if found.grad_CV is not None:
                grads.add(part, found.grad_CV, scale_C, hidden_CD, weight_VD)
        grads.save(ctx, weight_VD.dtype)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden, grad_weight, grad_bias = scale_gradients(ctx, grad_outputs[0])
        return grad_hidden, grad_weight, None, None, None, None, None, grad_bias


def compute_cross_entropy_sum(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    target_N: Tensor,
    scale_N: Tensor,
    *,
    label_smoothing: float = 0.0,
    softcap: float | None = None,
    bias_V: Tensor | None = None,
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
        bias_V: the output head's bias, or None.
        chunk: positions whose logits exist at one time; by default as `choose_chunk` has it.

    Returns:
        A float32 scalar; differentiable with respect to `hidden_ND`, `weight_VD` and `bias_V`.
    """
    if not torch.is_grad_enabled():
        # Autograd functions report a parameter as needing its gradient even then: as much work.
        hidden_ND, weight_VD = hidden_ND.detach(), weight_VD.detach()
        bias_V = None if bias_V is None else bias_V.detach()
    loss: Tensor = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden_ND,
        weight_VD,
        target_N,
        scale_N,
        label_smoothing,
        softcap,
        chunk or choose_chunk(weight_VD),
        bias_V,
    )
    return loss


@torch.no_grad()
def compute_token_logprobs(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    target_N: Tensor,
    *,
    softcap: float | None = None,
    bias_V: Tensor | None = None,
    chunk: int | None = None,
) -> Tensor:
    """Log-probability of each target, float32, shape (N,); no gradient."""
    parts = []
    chunk = chunk or choose_chunk(weight_VD)
    for start in range(0, len(target_N), chunk):
        part = slice(start, start + chunk)
        logits_CV = compute_logits(hidden_ND[part], weight_VD, softcap, bias_V)
        logprobs_CV = logits_CV.log_softmax(-1)
        parts.append(logprobs_CV.gather(1, target_N[part, None]).squeeze(1))
    return torch.cat(parts) if parts else hidden_ND.new_zeros(0, dtype=torch.float32)
