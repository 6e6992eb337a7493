"""The loss of a process reward model: whether each step of an answer is right.

Shape legend: S steps.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def compute_step_loss(scores_S: Tensor, labels_S: Tensor) -> Tensor:
    """``-y log σ(s) - (1 - y) log σ(-s)`` of each step, float32 of shape (S,).

    The classification of steps of Lightman et al. 2023 ("Let's Verify Step by Step", section 2.6;
    Uesato et al. 2022, section 2.4), whose two classes have the logits s and 0.

    Args:
        scores_S: scores at the steps' ends, float32: log-odds that a step is right.
        labels_S: bool.
    """
    labels = labels_S.to(scores_S.dtype)
    return binary_cross_entropy_with_logits(scores_S, labels, reduction="none")
