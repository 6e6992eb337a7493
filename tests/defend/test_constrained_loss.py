"""Constrained tuning: which beta a token has, the base as reference, and a smaller step early."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import logsigmoid

from assay.data.pack import build_batch
from assay.defend.constrained import ConstrainedLoss, spread_betas
from assay.models.adapters import add_lora
from assay.models.as_base import adapters_off
from assay.models.base import find_base, load_model
from assay.models.forward import packed_mode

ROWS = (([1, 4, 100, 200, 2], [0, 0, 1, 1, 1]), ([1, 4, 300, 2], [0, 0, 0.5, 1]))
BETAS = (0.5, 2.0, 0.1)


@pytest.fixture()
def model(small_base: Path) -> Any:
    torch.manual_seed(1)
    adapted = add_lora(load_model(find_base(str(small_base))), rank=4, alpha=8.0)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.2)
    return adapted.get_base_model().eval()


def test_every_answer_begins_with_the_first_beta() -> None:
    batch = build_batch(
        [[1, 4, 100, 200, 2, 7, 8, 9], [1, 2], [1, 5, 6]],
        [[0, 0, 1, 1, 1, 0, 1, 1], [0, 1], [0, 1, 1]],
    )
    found = spread_betas(batch.target_positions, BETAS)
    assert found == [0.5, 2.0, 0.1, 0.5, 2.0, 0.5, 0.5, 2.0]


def test_it_is_the_formula_with_the_base_as_reference_sequence_by_sequence(model: Any) -> None:
    expected = 0.0
    with torch.no_grad():
        for ids, mask in ROWS:
            place = torch.tensor(ids[2:])[:, None]
            tuned = model(torch.tensor([ids])).logits[0, 1:-1].log_softmax(-1).gather(1, place)
            with adapters_off(model):
                base = model(torch.tensor([ids])).logits[0, 1:-1].log_softmax(-1).gather(1, place)
            for k, gain in enumerate((tuned - base).flatten()):
                expected += float(-2 / BETAS[k] * logsigmoid(BETAS[k] * gain) * mask[2 + k])
    with packed_mode(model):
        loss = ConstrainedLoss(BETAS)(model, build_batch(*map(list, zip(*ROWS, strict=True))))
    loss.backward()
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    assert any(p.grad is not None and p.grad.any() for p in model.parameters())
