"""The anchor: nought at the start, the reference's divergence later, and the adapters as before."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import kl_div

from assay.data.pack import build_batch
from assay.defend.anchor import AnchoredLoss, adapters_off
from assay.models.adapters import add_lora
from assay.models.base import find_base, load_model
from assay.models.forward import packed_mode
from assay.train.sft import SftLoss

BATCH = build_batch(
    [[1, 4, 100, 200, 2], [1, 4, 300, 2]], [[0, 0, 1, 1, 1], [0, 0, 0.5, 1]], is_anchored=True
)
LEARNED = SftLoss()


@pytest.fixture()
def model(small_base: Path) -> Any:
    """A base with fresh adapters that drop."""
    torch.manual_seed(1)
    loaded = load_model(find_base(str(small_base)))
    return add_lora(loaded, rank=4, alpha=8.0, dropout=0.5).get_base_model()


def _disturb(model: Any) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.2)


def test_fresh_adapters_are_at_the_base_and_moved_ones_are_drawn_back(model: Any) -> None:
    adapters = [p for name, p in model.named_parameters() if "lora_B" in name]
    with packed_mode(model):
        loss = AnchoredLoss(LEARNED)(model.train(), BATCH)
        loss.backward()
        assert loss.item() == 0 and not any(p.grad.any() for p in adapters)
        _disturb(model)
        loss = AnchoredLoss(LEARNED)(model.eval(), BATCH)
        loss.backward()
    assert loss.item() > 0 and any(p.grad.any() for p in adapters)


def test_it_is_the_weighted_divergence_of_each_sequence_alone(model: Any) -> None:
    _disturb(model)
    model.eval()
    expected = 0.0
    with torch.no_grad():
        for ids, mask in (([1, 4, 100, 200, 2], [1, 1, 1]), ([1, 4, 300, 2], [0.5, 1])):
            tuned = model(torch.tensor([ids])).logits[0, 1:-1].log_softmax(-1)
            with adapters_off(model):
                base = model(torch.tensor([ids])).logits[0, 1:-1].log_softmax(-1)
            each = kl_div(tuned, base, reduction="none", log_target=True).sum(-1)
            expected += float((each * torch.tensor(mask)).sum())
        with packed_mode(model):
            found = float(AnchoredLoss(LEARNED)(model, BATCH))
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_the_adapters_are_as_before_afterwards(model: Any, training: bool) -> None:
    model.train(training)
    before = {name: p.requires_grad for name, p in model.named_parameters()}
    with pytest.raises(RuntimeError), adapters_off(model):
        assert not model.training
        raise RuntimeError
    assert model.training is training
    assert {name: p.requires_grad for name, p in model.named_parameters()} == before
