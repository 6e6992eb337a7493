"""Cross-entropy of supervised positions, in chunks, without ever holding the logits of a batch.

Shape legend: N supervised positions, C positions of one chunk, D hidden size, V vocabulary.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from assay.losses.token_loss import choose_token_loss
from assay.models.fast.head_rows import HeadRows, take_columns
from assay.models.fast.matmul import matmul, matmul_t

MOST_POSITIONS, MOST_TRAINED_POSITIONS = 256, 512
CHUNK_BYTES = {"cpu": 32 << 20, "cuda": 512 << 20}
"""Of one chunk's float32 logits. Beyond 32 MiB the C library maps every buffer anew, and the pages
it faults in cost more than the products: measured three times the softmax's time."""
BLOCK_WORDS = {"cpu": 4096}
"""Of the head's gradient, which is made block by block where one stays in the processor's cache."""


def choose_chunk(num_positions: int, weight_VD: Tensor) -> int:
    """Positions whose logits are held at one time, from the vocabulary and the device.

    Where a CPU trains the head, each chunk adds to its whole gradient, so there chunks are larger:
    their logits may take what that gradient does. The positions are spread evenly.
    """
    on_cpu = weight_VD.device.type == "cpu"
    most = CHUNK_BYTES.get(weight_VD.device.type, CHUNK_BYTES["cuda"]) // (4 * len(weight_VD))
    if on_cpu:
        most = min(most, MOST_POSITIONS)
    if on_cpu and weight_VD.requires_grad:
        most = max(most, min(weight_VD.shape[1], MOST_TRAINED_POSITIONS))
    num_chunks = math.ceil(num_positions / max(16, most))
    return math.ceil(num_positions / max(1, num_chunks)) or 1


def compute_logits(
    hidden_CD: Tensor,
    weight_VD: Tensor,
    softcap: float | None,
    bias_V: Tensor | None = None,
    rows: HeadRows | None = None,
) -> Tensor:
    """Logits in float32, shape (C, V), with Phi's optional bias and Gemma 2's tanh soft cap.

    No autograd goes through it where there are `rows`.
    """
    logits_CV = compute_raw_logits(hidden_CD, weight_VD, bias_V, rows).float()
    return logits_CV if softcap is None else torch.tanh(logits_CV / softcap) * softcap


def compute_raw_logits(
    hidden_CD: Tensor, weight_VD: Tensor, bias_V: Tensor | None, rows: HeadRows | None
) -> Tensor:
    """In the dtype of the product, in float32 where a bias is added."""
    logits_CV = matmul_t(hidden_CD, weight_VD)
    if rows is not None:
        rows.put_into(logits_CV, hidden_CD)
    return logits_CV if bias_V is None else logits_CV.float().add_(bias_V)


class ChunkGradients:
    """What a chunked loss made in its forward pass: the gradients of hidden states and head.

    Hidden states and weight are the first two inputs of its function, the trained rows and the bias
    the last two.
    """

    def __init__(
        self,
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        rows: HeadRows | None,
    ) -> None:
        needs_hidden, needs_weight, *_, needs_rows, needs_bias = ctx.needs_input_grad
        self.rows = rows
        self.rows_RD = None
        if needs_rows and rows is not None:
            self.rows_RD = torch.zeros_like(rows.weight_RD, dtype=torch.float32)
        self.hidden_ND = torch.empty_like(hidden_ND) if needs_hidden else None
        self.weight_VD = torch.empty_like(weight_VD, dtype=torch.float32) if needs_weight else None
        self.is_empty = True
        self.bias_V = None
        if needs_bias and bias_V is not None:
            self.bias_V = torch.zeros_like(bias_V, dtype=torch.float32)

    @property
    def are_needed(self) -> bool:
        return any(grad is not None for grad in self._all)

    @property
    def _all(self) -> tuple[Tensor | None, ...]:
        return self.hidden_ND, self.weight_VD, self.rows_RD, self.bias_V

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
        # The frozen weight's own rows at these places had no part in the logits.
        grad_CR = None if self.rows is None else take_columns(grad_CV, self.rows.ids_R)
        if self.hidden_ND is not None:
            grad_CD = matmul(grad_CV, weight_VD)
            if self.rows is not None and grad_CR is not None:
                grad_CD += matmul(grad_CR, self.rows.weight_RD.detach().to(grad_CR.dtype))
            self.hidden_ND[part] = grad_CD.mul_(scale_C1)
        if self.rows_RD is not None and grad_CR is not None:
            self.rows_RD += matmul(grad_CR.t(), hidden_CD * scale_C1)
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

    def take_weight(self, dtype: torch.dtype) -> Tensor | None:
        """The head's gradient in `dtype`, None where it is not trained."""
        self._finish_weight()
        return None if self.weight_VD is None else self.weight_VD.to(dtype)

    def _finish_weight(self) -> None:
        if self.is_empty and self.weight_VD is not None:
            self.weight_VD.zero_()

    def save(self, ctx: Any, dtype: torch.dtype) -> None:
        """Keep them for `scale_gradients`; `dtype` is that of the head's weight."""
        self._finish_weight()
        ctx.save_for_backward(*(grad for grad in self._all if grad is not None))
        ctx.weight_dtype = dtype
        ctx.rows_dtype = None if self.rows is None else self.rows.weight_RD.dtype


def scale_gradients(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    """The saved gradients of hidden states, head, its rows and bias times that of the loss.

    They are scaled in place, so a second pass through the same graph is refused by autograd.
    """
    saved = [grad.mul_(upstream) for grad in ctx.saved_tensors]
    *_, needs_rows, _ = ctx.needs_input_grad
    grad_hidden = saved.pop(0) if ctx.needs_input_grad[0] else None
    grad_weight = saved.pop(0).to(ctx.weight_dtype) if ctx.needs_input_grad[1] else None
    grad_rows = saved.pop(0).to(ctx.rows_dtype) if needs_rows else None
    grad_bias = saved.pop(0).to(ctx.weight_dtype) if saved else None
    return grad_hidden, grad_weight, grad_rows, grad_bias


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
        ids_R: Tensor | None,
        rows_RD: Tensor | None,
        bias_V: Tensor | None,
    ) -> Tensor:
        rows = None if ids_R is None or rows_RD is None else HeadRows(ids_R, rows_RD)
        grads = ChunkGradients(ctx, hidden_ND, weight_VD, bias_V, rows)
        total = hidden_ND.new_zeros((), dtype=torch.float32)
        compute = choose_token_loss(hidden_ND.device.type).function
        for start in range(0, len(target_N), chunk):
            part = slice(start, start + chunk)
            hidden_CD, target_C, scale_C = hidden_ND[part], target_N[part], scale_N[part]
            found = compute(  # which may let go of the raw logits as soon as it has its own
                compute_raw_logits(hidden_CD, weight_VD, bias_V, rows),
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
        grad_hidden, grad_weight, *others = scale_gradients(ctx, grad_outputs[0])
        return grad_hidden, grad_weight, *[None] * 6, *others


def compute_cross_entropy_sum(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    target_N: Tensor,
    scale_N: Tensor,
    *,
    label_smoothing: float = 0.0,
    softcap: float | None = None,
    bias_V: Tensor | None = None,
    rows: HeadRows | None = None,
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
        rows: trained rows in the places of those of `weight_VD`, or None.
        chunk: positions whose logits exist at one time; by default as `choose_chunk` has it.

    Returns:
        A float32 scalar; differentiable with respect to `hidden_ND`, `weight_VD`, the weight of
        `rows` and `bias_V`.
    """
    if not torch.is_grad_enabled():
        # Autograd functions report a parameter as needing its gradient even then: as much work.
        hidden_ND, weight_VD = hidden_ND.detach(), weight_VD.detach()
        bias_V = None if bias_V is None else bias_V.detach()
        rows = None if rows is None else HeadRows(rows.ids_R, rows.weight_RD.detach())
    loss: Tensor = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden_ND,
        weight_VD,
        target_N,
        scale_N,
        label_smoothing,
        softcap,
        chunk or choose_chunk(len(target_N), weight_VD),
        None if rows is None else rows.ids_R,
        None if rows is None else rows.weight_RD,
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
    rows: HeadRows | None = None,
    chunk: int | None = None,
) -> Tensor:
    """Log-probability of each target, float32, shape (N,); no gradient."""
    parts = []
    chunk = chunk or choose_chunk(len(target_N), weight_VD)
    for start in range(0, len(target_N), chunk):
        part = slice(start, start + chunk)
        logits_CV = compute_logits(hidden_ND[part], weight_VD, softcap, bias_V, rows)
        logprobs_CV = logits_CV.log_softmax(-1)
        parts.append(logprobs_CV.gather(1, target_N[part, None]).squeeze(1))
    return torch.cat(parts) if parts else hidden_ND.new_zeros(0, dtype=torch.float32)
