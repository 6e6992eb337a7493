"""Runs the loss by Liger's kernel and by PyTorch, and prints how far apart they are as JSON lines.

A program of its own, since Triton decides when it is imported whether it interprets its kernels.
"""

import itertools
import json
import sys
from typing import Any
from unittest.mock import patch

import torch
import triton
import triton.language as tl
from liger_kernel.ops import cross_entropy as liger

from assay.losses import liger as ours
from assay.losses import token_loss
from assay.losses.cross_entropy import compute_cross_entropy_sum

NAMES = ("loss", "hidden", "weight", "bias")


@triton.jit
def tanh(x):  # type: ignore[no-untyped-def]
    """The one function of the kernel that is CUDA's own, for the interpreter."""
    return 2.0 / (1.0 + tl.exp(-2.0 * x)) - 1.0


class SoftCap(float):
    """A number as compiled kernels see it; the interpreter hands over Python's."""

    def to(self, dtype: Any) -> "SoftCap":
        return self


def run(
    device: str,
    dtype: torch.dtype,
    smoothing: float,
    softcap: float | None,
    biased: bool,
    vocab: int,
) -> dict[str, Any]:
    torch.manual_seed(0)
    num = 13
    inputs = [torch.randn(num, 16), torch.randn(vocab, 16), torch.randn(vocab)]
    made = [x.to(device, dtype) for x in (inputs if biased else inputs[:2])]
    target = torch.randint(vocab, (num,)).to(device)
    scale = torch.rand(num).to(device)
    results = []
    for function in (token_loss.compute_token_loss, ours.compute_token_loss_by_liger):
        leaves = [x.clone().requires_grad_() for x in made]

        def compute(leaves: list[torch.Tensor] = leaves) -> torch.Tensor:
            return compute_cross_entropy_sum(
                *leaves[:2],
                target,
                scale,
                label_smoothing=smoothing,
                softcap=softcap,
                bias_V=leaves[2] if biased else None,
                chunk=5,
            )

        choice = token_loss.Choice(function, "")
        with patch("assay.losses.cross_entropy.choose_token_loss", lambda kind, c=choice: c):
            loss = compute()
            with torch.no_grad():
                assert torch.equal(compute(), loss.detach()), "without gradients it is another"
        (loss / 3).backward()
        results.append([loss.detach(), *(leaf.grad.float() for leaf in leaves)])
    gaps = {
        name: float((a - b).norm() / a.norm()) for name, a, b in zip(NAMES, *results, strict=False)
    }
    case = f"{dtype}, smoothing {smoothing}, softcap {softcap}, bias {biased}, {vocab} words"
    return {"case": case, "eps": torch.finfo(dtype).eps, "gaps": gaps}


def main() -> None:
    device = sys.argv[1]
    if device == "cpu":
        liger.tanh = liger.liger_cross_entropy_kernel.fn.__globals__["tanh"] = tanh
    dtypes, vocabs = (torch.float32, torch.bfloat16), (23, 64)
    ours.MOST_COLUMNS = 32  # so that a row takes more than one pass
    for case in itertools.product(dtypes, (0.0, 0.1), (None, 3.0), (False, True), vocabs):
        dtype, smoothing, softcap, biased, vocab = case
        cap = SoftCap(softcap) if softcap and device == "cpu" else softcap
        print(json.dumps(run(device, dtype, smoothing, cap, biased, vocab)))


if __name__ == "__main__":
    main()
