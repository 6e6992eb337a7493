"""Each position's loss from its logits, with its gradient: PyTorch's operations or a library's.

On a GPU PyTorch's operations read or write the logits nine times, mostly in float32; Liger's
kernel, where it is installed, three times in their own dtype, and leaves the gradient in their
place. Which of the two runs follows from device and version alone.

Shape legend: C positions of one chunk, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import Tensor

TESTED = "0.8"
"""The versions of liger-kernel whose kernel takes what it is given here, by their two numbers."""
HOW_TO_INSTALL = "pip install 'liger-kernel>=0.8,<0.9'"


@dataclass(frozen=True)
class TokenLoss:
    """Losses, float32; and their gradient with respect to the logits, None where not asked for."""

    loss_C: Tensor
    grad_CV: Tensor | None


TokenLossFunction = Callable[..., TokenLoss]
"""Takes what `compute_token_loss` takes; the logits may be used up."""


@dataclass(frozen=True)
class Choice:
    """The function that computes losses on a device, and a line for the user; empty on a CPU."""

    function: TokenLossFunction
    line: str


def compute_token_loss(
    logits_CV: Tensor,
    target_C: Tensor,
    *,
    label_smoothing: float,
    softcap: float | None,
    needs_grad: bool,
) -> TokenLoss:
    """Losses by PyTorch's operations, in float32; see `compute_cross_entropy_sum` for the formula.

    Args:
        logits_CV: any float dtype, before the soft cap; they may be used up.
        target_C: token ids, int64, in [0, V).
        label_smoothing: in [0, 1).
        softcap: the model's own, or None.
        needs_grad: whether to make the gradient too.
    """
    logits_CV = cap_logits(logits_CV, softcap)
    # One pass of a fused kernel; `logsumexp` takes ten times as long on a CPU.
    logprobs_CV = logits_CV.log_softmax(-1)
    loss_C = -logprobs_CV.gather(1, target_C[:, None]).squeeze(1)
    if label_smoothing:
        loss_C = (1 - label_smoothing) * loss_C - label_smoothing * logprobs_CV.mean(-1)
    if not needs_grad:
        return TokenLoss(loss_C, None)
    grad_CV = logprobs_CV.exp_()
    if label_smoothing:
        grad_CV -= label_smoothing / grad_CV.shape[1]
    rows = torch.arange(len(target_C), device=target_C.device)
    grad_CV[rows, target_C] -= 1 - label_smoothing
    return TokenLoss(loss_C, cap_gradient(grad_CV, logits_CV, softcap))


def cap_logits(logits_CV: Tensor, softcap: float | None) -> Tensor:
    """The logits in float32, with Gemma 2's soft cap where there is one."""
    logits_CV = logits_CV.float()
    return logits_CV if softcap is None else torch.tanh(logits_CV / softcap) * softcap


def cap_gradient(grad_CV: Tensor, logits_CV: Tensor, softcap: float | None) -> Tensor:
    """The gradient with respect to the logits before the cap, in place, from those behind it."""
    return grad_CV if softcap is None else grad_CV.mul_(1 - (logits_CV / softcap).square())


@lru_cache
def choose_token_loss(device_type: str) -> Choice:
    """The function for tensors on a device of this type, asked once in a process."""
    return choose_by_version(device_type, find_version(), load_kernel)


def choose_by_version(
    device_type: str, installed: str | None, load: Callable[[], TokenLossFunction]
) -> Choice:
    """The choice for a device and an installed version of liger-kernel (None: there is none).

    cut-cross-entropy is never taken: it adds up a hidden state's gradient in whichever order its
    blocks come, rounded to bfloat16 each time, so that a resumed run would not equal an
    uninterrupted one; and it knows neither label smoothing nor a bias.
    """
    if device_type != "cuda":
        return Choice(compute_token_loss, "")
    if installed is None:
        return _keep_own(f"liger-kernel is not installed; {HOW_TO_INSTALL}")
    if installed.split(".")[:2] != TESTED.split("."):
        return _keep_own(f"liger-kernel {installed} is not {TESTED}; {HOW_TO_INSTALL}")
    try:
        function = load()
    except ImportError as error:
        return _keep_own(f"liger-kernel {installed} does not load ({error})")
    return Choice(function, f"the head's loss by the kernel of liger-kernel {installed}")


def _keep_own(reason: str) -> Choice:
    return Choice(compute_token_loss, f"the head's loss without a fused kernel: {reason}")


def find_version() -> str | None:
    """The installed version of liger-kernel, without importing it."""
    try:
        return version("liger-kernel")
    except PackageNotFoundError:
        return None


def load_kernel() -> TokenLossFunction:
    """Liger's kernel as a function of this unit.

    Raises:
        ImportError: it, or Triton, cannot be imported.
    """
    from assay.losses.liger import compute_token_loss_by_liger

    return compute_token_loss_by_liger
