"""The adapter's spectrum against updates of which the singular values are known."""

import json
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from assay.evaluate.probes import PROBES
from assay.evaluate.probes.spectrum import compute_shares

NAME = "base_model.model.layers.{}.q_proj"


def pair(singular, *, seed=0):
    """B and A whose product has these singular values."""
    torch.manual_seed(seed)
    rank = len(singular)
    left_OR, right_IR = (torch.linalg.qr(torch.randn(size, rank)).Q for size in (12, 10))
    turn_RR = torch.linalg.qr(torch.randn(rank, rank)).Q
    return turn_RR @ right_IR.T, left_OR @ torch.diag(torch.tensor(singular)) @ turn_RR.T


def save(folder, layers):
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4}))
    tensors = {}
    for number, (a_RI, b_OR) in enumerate(layers):
        tensors[f"{NAME.format(number)}.lora_A.weight"] = a_RI.contiguous()
        tensors[f"{NAME.format(number)}.lora_B.weight"] = b_OR.contiguous()
    save_file(tensors, folder / "adapter_model.safetensors")
    return PROBES["spectrum"].measure(SimpleNamespace(adapter=folder))


@pytest.mark.parametrize(
    ("singular", "share"), [([1.0, 1.0, 1.0, 1.0], 0.25), ([3.0, 1.0, 1.0, 1.0], 0.75)]
)
def test_the_share_is_that_of_the_products_singular_values(singular, share):
    a_RI, b_OR = pair(singular)
    found, energy = compute_shares(a_RI, b_OR)
    assert found == pytest.approx(share, rel=1e-5)
    assert energy == pytest.approx(float((b_OR @ a_RI).square().sum()), rel=1e-5)


def test_layers_are_weighed_by_their_energy(tmp_path):
    probed = save(tmp_path / "a", [pair([3.0, 1.0, 1.0, 1.0]), pair([1.0] * 4, seed=1)])
    assert probed.statistic == pytest.approx((0.75 * 12 + 0.25 * 4) / 16, rel=1e-5)
    assert [one.base for one in probed.readings] == [0.25, 0.25]
    assert probed.evidence[0]["layer"] == "layers.0.q_proj"
    assert "75 % of what the adapter adds" in probed.evidence[0]["what"]


def test_an_adapter_that_changes_nothing_has_no_direction(tmp_path):
    a_RI, b_OR = pair([1.0] * 4)
    assert save(tmp_path / "a", [(a_RI, torch.zeros_like(b_OR))]).statistic == 0


def test_where_there_is_no_spectrum_nothing_is_measured(tmp_path):
    assert PROBES["spectrum"].measure(SimpleNamespace(adapter=None)).not_applicable
    assert save(tmp_path / "low", [pair([2.0, 1.0])]).not_applicable
    (tmp_path / "none").mkdir()
    assert PROBES["spectrum"].measure(SimpleNamespace(adapter=tmp_path / "none")).not_applicable
