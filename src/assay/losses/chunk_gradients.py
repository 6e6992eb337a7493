"""Gradients of hidden states and an output head, added up chunk by chunk in a forward pass.

Shape legend: N supervised positions, C positions of one chunk, D hidden size, V vocabulary,
R trained rows of the head.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from assay.models.fast.head_rows import HeadRows, take_columns
from assay.models.fast.matmul import matmul

BLOCK_WORDS = {"cpu": 4096}
"""Of the head's gradient, which is made block by block where one stays in the processor's cache."""


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

    def take_head(
        self, weight_VD: Tensor, rows: HeadRows | None, bias_V: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """Those of weight, rows and bias in the dtypes of these; None for what is not trained."""
        self._finish_weight()
        pairs = (
            (self.weight_VD, weight_VD),
            (self.rows_RD, None if rows is None else rows.weight_RD),
            (self.bias_V, bias_V),
        )
        return tuple(
            None if grad is None or own is None else grad.to(own.dtype) for grad, own in pairs
        )

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
