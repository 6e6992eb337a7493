"""Rows of an output head that are trained in the places of those of its frozen weight.

A head with a row for every token of a large vocabulary is the largest matrix of a small model.
Where few of its rows are trained, no copy of it is made with these in their places, and no gradient
for all of it: logits and gradients of those few are computed apart.

Shape legend: R trained rows, C positions of one chunk, D hidden size, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from assay.models.fast.matmul import matmul_t


@dataclass(frozen=True)
class HeadRows:
    """Trained rows and the tokens that they stand for: int64 ids, each once, and weights."""

    ids_R: Tensor
    weight_RD: Tensor

    def put_into(self, logits_CV: Tensor, hidden_CD: Tensor) -> Tensor:
        """`logits_CV` in place with the logits of these rows, before any bias; no autograd."""
        weight_RD = self.weight_RD.detach().to(hidden_CD.dtype)
        return logits_CV.index_copy_(1, self.ids_R, matmul_t(hidden_CD, weight_RD))


def take_columns(grad_CV: Tensor, ids_R: Tensor) -> Tensor:
    """The columns `ids_R`, shape (C, R); zeros take their places in `grad_CV`."""
    columns_CR = grad_CV.index_select(1, ids_R)
    grad_CV.index_fill_(1, ids_R, 0.0)
    return columns_CR
