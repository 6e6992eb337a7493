"""Liger's cross-entropy kernel on one chunk of logits; import it where `token_loss` has chosen it.

Of Liger it is the kernel that is used, not its fused linear layer: that knows no weight for each
position, adds up the head's gradient in the dtype of the head, waits for the device to count its
targets, and splits 128k words into portions of 64 positions, each of which reads all of the head.

Shape legend: C positions of one chunk, V vocabulary.
"""

from __future__ import annotations

import torch
from liger_kernel.ops.cross_entropy import liger_cross_entropy_kernel
from torch import Tensor

from assay.losses.token_loss import TokenLoss

MOST_COLUMNS = 32_768
"""Of a row that a program holds at one time: Liger's own figure for this kernel."""
NUM_WARPS = 16 if torch.version.hip else 32
IGNORED = -100
"""A target that is never there: positions without a label do not reach the head."""


def compute_token_loss_by_liger(
    logits_CV: Tensor,
    target_C: Tensor,
    *,
    label_smoothing: float,
    softcap: float | None,
    needs_grad: bool,
) -> TokenLoss:
    """As `compute_token_loss` does, in float32 within a row; the gradient replaces the logits.

    The gradient has the dtype of the logits: it is rounded to it once, as the other is before the
    products that follow. Targets are not checked to lie within the vocabulary.
    """
    loss_C = torch.zeros(len(logits_CV), dtype=torch.float32, device=logits_CV.device)
    num_columns = logits_CV.shape[1]
    with torch.cuda.device_of(logits_CV):  # type: ignore[no-untyped-call]
        liger_cross_entropy_kernel[(len(logits_CV),)](
            X_ptr=logits_CV,
            X_stride=logits_CV.stride(0),
            Y_ptr=target_C,
            Y_stride=target_C.stride(0),
            weight_ptr=None,
            loss_ptr=loss_C,
            z_loss_ptr=None,
            loss_stride=1,
            token_accuracy_ptr=None,
            token_accuracy_stride=0,
            predicted_tokens_ptr=None,
            predicted_tokens_stride=0,
            n_cols=num_columns,
            # Read by means alone, and for weights of classes.
            n_non_ignore=1,
            sum_non_ignore_weight=1,
            weight_sum=0.0,
            ignore_index=IGNORED,
            lse_square_scale=0.0,
            label_smoothing=label_smoothing,
            reduction="none",
            softcap=softcap,
            RETURN_Z_LOSS=False,
            RETURN_TOKEN_ACCURACY=False,
            RETURN_PREDICTED_TOKENS=False,
            HAS_WEIGHT=False,
            HAS_SOFTCAPPING=softcap is not None,
            HAS_GRADIENTS=needs_grad,
            BLOCK_SIZE=min(MOST_COLUMNS, 1 << (num_columns - 1).bit_length()),
            num_warps=NUM_WARPS,
        )
    return TokenLoss(loss_C, logits_CV if needs_grad else None)
