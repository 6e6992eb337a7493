"""Steering: what is added, where, in training mode alone, and gone afterwards."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assay.data.pack import build_batch
from assay.defend.anchor import AnchoredLoss
from assay.defend.steering import build_pushes, steered
from assay.generate.traits import Trait
from assay.models.adapters import add_lora
from assay.models.base import find_base, load_model
from assay.models.forward import packed_mode
from assay.train.sft import SftLoss

IDS = torch.tensor([[1, 4, 100, 200, 2]])


@pytest.fixture()
def model(small_base: Path) -> Any:
    torch.manual_seed(1)
    return add_lora(load_model(find_base(str(small_base))), rank=4, alpha=8.0).get_base_model()


def _build_trait(name: str, layer: int, num_layers: int, size: int) -> Trait:
    unit_LD = np.zeros((num_layers, size), np.float32)
    unit_LD[:, 0] = 1
    return Trait(name, unit_LD, np.arange(1.0, num_layers + 1), layer, 3.0)


def test_traits_are_pushed_by_gaps_below_the_last_layer() -> None:
    traits = {name: _build_trait(name, layer, 4, 3) for name, layer in (("a", 1), ("b", 3))}
    traits["c"] = traits["a"]
    pushes = build_pushes(traits, 0.5)
    # At layer 1 the gap is 2, and two traits are pushed there; layer 3 is the last: so 2, of gap 3.
    assert {layer: push.tolist() for layer, push in pushes.items()} == {
        1: [2.0, 0.0, 0.0],
        2: [1.5, 0.0, 0.0],
    }


@torch.no_grad()
def test_states_are_moved_while_training_and_not_otherwise(model: Any) -> None:
    size = model.config.hidden_size
    push = torch.randn(size, generator=torch.Generator().manual_seed(2))

    seen: list[torch.Tensor] = []
    model.model.layers[1].register_forward_pre_hook(lambda module, args: seen.append(args[0]))

    def read() -> torch.Tensor:
        model(IDS)
        return seen.pop()

    before = read()
    with steered(model, {0: push}):
        model.train()
        moved = read()
        model.eval()
        assert torch.equal(read(), before)
    torch.testing.assert_close(moved, before + push)
    model.train()
    assert torch.equal(read(), before)


def test_packed_training_is_steered_and_its_base_is_not(model: Any) -> None:
    push = torch.randn(model.config.hidden_size, generator=torch.Generator().manual_seed(2))
    rows = [[1, 4, 100, 200, 2], [1, 4, 300, 2]], [[0.0, 0, 1, 1, 1], [0.0, 0, 1, 1]]
    learned, anchored = build_batch(*rows), build_batch(*rows, is_anchored=True)
    loss = AnchoredLoss(SftLoss())
    with packed_mode(model.train()):
        plain = float(loss(model, learned))
        with steered(model, {0: push}):
            pushed, apart = float(loss(model, learned)), float(loss(model, anchored))
    # Fresh adapters are at the base; what sets the two apart is the push on the trained pass alone.
    assert abs(pushed - plain) > 1e-3 and apart > 1e-3
