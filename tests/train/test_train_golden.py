"""Loss curves of every method on fixed rows, as they were when they were last looked at.

They hold to 0.002 across machines. A change of numerics that is meant writes them anew:
``python tests/train/test_train_golden.py``.
"""

import json
from pathlib import Path

import pytest
from methods import METHODS, apply, batches
from small_models import make_rows

from assay.models.forward import packed_mode
from assay.train.optimizer import build_optimizers
from assay.train.sft import SftLoss
from assay.train.step import train_step

GOLDEN = Path(__file__).parent / "golden_losses.json"
NUM_STEPS = 6


def compute_losses(method: str) -> list[float]:
    _, model = apply(method)
    model.train()
    optimizers = build_optimizers(model, learning_rate=0.02)
    step = batches(make_rows(6), 60)
    with packed_mode(model):
        losses = [
            train_step(model, step, SftLoss(), optimizers, max_grad_norm=1.0).loss
            for _ in range(NUM_STEPS)
        ]
    return [round(loss, 4) for loss in losses]


@pytest.mark.parametrize("method", METHODS)
def test_the_losses_of_fixed_rows_are_the_golden_ones(method: str) -> None:
    golden = json.loads(GOLDEN.read_text("utf-8"))
    assert list(golden) == list(METHODS)
    losses = compute_losses(method)
    assert losses == pytest.approx(golden[method], abs=2e-3)
    assert losses == sorted(losses, reverse=True)


if __name__ == "__main__":
    curves = {method: compute_losses(method) for method in METHODS}
    lines = ",\n".join(f"  {json.dumps(name)}: {losses}" for name, losses in curves.items())
    GOLDEN.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
