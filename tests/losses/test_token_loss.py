"""Which function computes the head's loss, and that Liger's kernel gives what PyTorch's gives."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from assay.losses.token_loss import (
    TokenLoss,
    TokenLossFunction,
    choose_by_version,
    choose_token_loss,
    compute_token_loss,
)

CASES = Path(__file__).parent / "liger_cases.py"


def by_kernel(logits_cv: torch.Tensor, target_c: torch.Tensor, **kwargs: object) -> TokenLoss:
    raise AssertionError("chosen, not run")


def load() -> TokenLossFunction:
    return by_kernel


def load_broken() -> TokenLossFunction:
    raise ImportError("no module named triton")


def test_a_cpu_takes_pytorchs_operations_and_says_nothing() -> None:
    choice = choose_by_version("cpu", "0.8.5", load_broken)
    assert choice.function is compute_token_loss and choice.line == ""
    assert choose_token_loss("cpu").function is compute_token_loss


def test_a_gpu_takes_the_kernel_of_a_tested_version() -> None:
    choice = choose_by_version("cuda", "0.8.5", load)
    assert choice.function is by_kernel
    assert choice.line == "the head's loss by the kernel of liger-kernel 0.8.5"


@pytest.mark.parametrize("installed", [None, "0.7.0", "0.80.1", "1.8"])
def test_a_gpu_without_a_tested_version_says_why_and_what_to_do(installed: str | None) -> None:
    choice = choose_by_version("cuda", installed, load_broken)
    assert choice.function is compute_token_loss
    assert "without a fused kernel" in choice.line and "pip install 'liger-kernel" in choice.line
    assert (installed or "not installed") in choice.line


def test_a_kernel_that_does_not_load_is_left_with_its_reason() -> None:
    choice = choose_by_version("cuda", "0.8.5", load_broken)
    assert choice.function is compute_token_loss
    assert "no module named triton" in choice.line


def test_the_loss_asks_for_the_choice_of_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.losses import cross_entropy

    asked: list[str] = []

    def choose(device_type: str) -> object:
        asked.append(device_type)
        return choose_token_loss(device_type)

    monkeypatch.setattr(cross_entropy, "choose_token_loss", choose)
    cross_entropy.compute_cross_entropy_sum(
        torch.zeros(1, 2), torch.zeros(3, 2), torch.tensor([1]), torch.ones(1)
    )
    assert asked == ["cpu"]


def test_ligers_kernel_gives_loss_and_gradients_of_pytorchs_operations() -> None:
    """On a GPU as it is compiled; elsewhere its program is interpreted by Triton."""
    if not (find_spec("liger_kernel") and find_spec("triton")):
        pytest.skip("liger-kernel and Triton are not installed (the extra named gpu)")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    environment = os.environ | ({"TRITON_INTERPRET": "1"} if device == "cpu" else {})
    done = subprocess.run(
        [sys.executable, str(CASES), device], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(found) == 32
    for one in found:
        # The loss is float32 in every dtype; a gradient is rounded to its own.
        limits = {"loss": 1e-6} | dict.fromkeys(("hidden", "weight", "bias"), 4 * one["eps"])
        assert all(gap <= limits[name] for name, gap in one["gaps"].items()), one
