"""QLoRA: a quantised base trains as its dequantised twin does, reloads equal and merges tightly."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.data.pack import build_batch
from assay.errors import ConfigError
from assay.models import quantize
from assay.models.adapters import add_lora, save_adapter
from assay.models.base import BaseFiles, find_base, load_model
from assay.models.export import (
    MERGE_TOLERANCE,
    check_integrity,
    compute_logits,
    export_merged,
    largest_difference,
    take_probe,
)
from assay.models.fast.path import fast_path
from assay.models.forward import packed_mode
from assay.models.quantize import Quantization, count_weights, dequantize, unwrap_packed
from assay.models.selftest import check_isolation
from assay.train.optimizer import build_optimizers
from assay.train.sft import SftLoss
from assay.train.step import train_step

PROMPTS = [[1, 4, 100, 200, 2, 5], [1, 4, 300, 2, 5, 17, 900]]
FOUR_BIT = [("nf4", True), ("nf4", False), ("fp4", True)]
FROM_QUANTISED = {"nf4": MERGE_TOLERANCE, "fp4": MERGE_TOLERANCE, "int8": 0.05}
"""Merged float32 weights against the quantised model itself; int8 rounds what it multiplies too."""


def quantised(small_base: Path, kind: Any, double: bool = True, dtype: str = "fp32") -> BaseFiles:
    pytest.importorskip("bitsandbytes")
    base = find_base(str(small_base))
    return replace(base, quantization=Quantization(kind, double, dtype))


def train_two_steps(
    model: Any, *, learning_rate: float = 0.02, flavours: tuple[Any, ...] = (), unwrap: bool = False
) -> list[float]:
    """The losses of two steps on the same batch, whose gradients the second step leaves behind."""
    torch.manual_seed(1)
    adapted = add_lora(model, rank=4, alpha=8.0, flavours=flavours)
    batch = build_batch(PROMPTS, [[1.0] * len(ids) for ids in PROMPTS])
    inner = adapted.get_base_model()
    if unwrap:
        unwrap_packed(inner, torch.device("cpu"))
    optimizers = build_optimizers(inner, learning_rate=learning_rate)
    inner.train()
    with packed_mode(inner):
        return [
            train_step(inner, [batch], SftLoss(), optimizers, max_grad_norm=1.0).loss
            for _ in range(2)
        ]


def adapter_weights(model: Any) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters() if "lora_" in n}


@pytest.mark.parametrize(("kind", "double"), FOUR_BIT)
def test_four_bits_train_as_the_weights_they_stand_for(
    small_base: Path, kind: str, double: bool
) -> None:
    """Also after an evaluation, at which some processors repack weights for inference alone."""
    base = quantised(small_base, kind, double)
    model, plain = load_model(base), dequantize(load_model(base))
    assert type(model.model.layers[0].mlp.up_proj).__name__ == "Linear4bit"
    before = compute_logits(model, PROMPTS)
    assert largest_difference(before, compute_logits(plain, PROMPTS)) < 1e-5
    assert largest_difference(before, compute_logits(find_plain(base), PROMPTS)) > 1e-3
    losses, expected = train_two_steps(model), train_two_steps(plain)
    assert losses == pytest.approx(expected, rel=1e-5)
    assert losses[1] < losses[0]
    found, twin = adapter_weights(model), adapter_weights(plain)
    assert found.keys() == twin.keys()
    for name, weight in found.items():
        torch.testing.assert_close(weight, twin[name], rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize("flavours", [("dora", "rslora"), ("pissa",), ("pissa", "dora", "rslora")])
def test_flavours_on_four_bits_train_as_on_the_weights_they_stand_for(
    small_base: Path, tmp_path: Path, flavours: tuple[str, ...]
) -> None:
    base = quantised(small_base, "nf4")
    model, plain = load_model(base), dequantize(load_model(base))
    losses = train_two_steps(model, flavours=flavours)
    assert losses == pytest.approx(train_two_steps(plain, flavours=flavours), rel=1e-5)
    assert losses[1] < losses[0]
    found, twin = adapter_weights(model), adapter_weights(plain)
    assert any("magnitude" in name for name in found) == ("dora" in flavours)
    for name, weight in found.items():
        torch.testing.assert_close(weight, twin[name], rtol=1e-3, atol=1e-4, msg=name)
    save_peft(model.eval(), base, tmp_path, flavours=flavours)
    integrity = check_integrity(base, tmp_path, take_probe(model, PROMPTS), adapter=True)
    assert integrity.reload_difference == 0
    assert integrity.merged_equals_adapter


@pytest.mark.parametrize("kind", ["nf4", "fp4", "int8"])
def test_pissa_starts_at_the_base_in_few_bits(small_base: Path, kind: str) -> None:
    """Whose integers stay as they are; the start is of the values that they stand for."""
    base = quantised(small_base, kind)
    model, untuned = load_model(base), load_model(base)
    before = compute_logits(untuned, PROMPTS)
    wrapped = add_lora(model, rank=4, alpha=8.0, flavours=["pissa"])
    assert largest_difference(compute_logits(wrapped, PROMPTS), before) < 1e-5
    layer, own = (m.model.layers[0].mlp.up_proj for m in (model, untuned))
    assert torch.equal(layer.get_base_layer().weight, own.weight)
    plain = dequantize(load_model(base)).model.layers[0].mlp.up_proj.weight
    product = layer.lora_B["default"].trained @ layer.lora_A["default"].trained * 2.0
    values = torch.linalg.svdvals(plain)
    torch.testing.assert_close(torch.linalg.svdvals(product)[:4], values[:4], rtol=1e-4, atol=1e-5)


def find_plain(base: BaseFiles) -> Any:
    return load_model(replace(base, quantization=None))


@pytest.mark.parametrize(
    ("kind", "dtype"), [("nf4", "fp32"), ("nf4", "bf16"), ("fp4", "fp32"), ("int8", "fp32")]
)
def test_adapters_reload_equal_and_merge_within_the_tolerance(
    small_base: Path, tmp_path: Path, kind: str, dtype: str
) -> None:
    base = quantised(small_base, kind, dtype=dtype)
    model = load_model(base)
    check_isolation(model, PROMPTS)
    losses = train_two_steps(model)
    assert losses[1] < losses[0]
    tuned = model.eval()
    assert {p.dtype for n, p in tuned.named_parameters() if "lora_" in n} == {torch.float32}
    adapter, merged = tmp_path / "adapter", tmp_path / "merged"
    save_peft(tuned, base, adapter)
    found = check_integrity(base, adapter, take_probe(tuned, PROMPTS), adapter=True)
    assert found.reload_difference == 0
    assert found.adapter_reloads and found.merged_equals_adapter and found.template_unchanged
    assert export_merged(base, adapter, merged, prompts=PROMPTS) <= MERGE_TOLERANCE
    config = json.loads((merged / "config.json").read_text("utf-8"))
    assert "quantization_config" not in config
    assert config["dtype"] == "float32"
    plain = compute_logits(load_model(find_base(str(merged))), PROMPTS)
    if dtype == "fp32":
        ours = compute_logits(tuned, PROMPTS)
        assert largest_difference(ours, plain) <= FROM_QUANTISED[kind]
        unquantised = compute_logits(find_plain(base), PROMPTS)
        assert largest_difference(ours, unquantised) > FROM_QUANTISED[kind]


def save_peft(tuned: Any, base: BaseFiles, folder: Path, *, flavours: Sequence[str] = ()) -> None:
    """Save the adapters of a causal model, wrapped in PEFT again with the same weights."""
    torch.manual_seed(1)
    wrapped = add_lora(load_model(base), rank=4, alpha=8.0, flavours=flavours, base_name=base.name)
    weights = adapter_weights(tuned)
    with torch.no_grad():
        for name, parameter in wrapped.get_base_model().named_parameters():
            if name in weights:
                parameter.copy_(weights[name])
    save_adapter(wrapped, folder, tokenizer_folder=base.folder)


@pytest.mark.parametrize("flavours", [(), ("dora",)])
def test_packed_weights_made_plain_train_as_the_weights_they_stand_for(
    small_base: Path, flavours: tuple[Any, ...]
) -> None:
    """As they are spread over processes: integers, whose scales stay with their layers."""
    base = quantised(small_base, "nf4")
    twin, packed = dequantize(load_model(base)), load_model(base)
    num_weights = count_weights(packed)
    assert num_weights == count_weights(twin) == sum(p.numel() for p in twin.parameters())
    expected = train_two_steps(twin, flavours=flavours)
    losses = train_two_steps(packed, flavours=flavours, unwrap=True)
    assert losses == pytest.approx(expected, rel=1e-5)
    assert count_weights(packed) == count_weights(twin) > num_weights


def test_a_quantised_base_is_the_same_base(small_base: Path) -> None:
    base = find_base(str(small_base))
    assert replace(base, quantization=Quantization()).sha256 == base.sha256


def test_without_bitsandbytes_nothing_is_loaded(
    small_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "find_spec", lambda name: None)
    base = replace(find_base(str(small_base)), quantization=Quantization())
    with pytest.raises(ConfigError, match="bitsandbytes, which is not installed") as caught:
        load_model(base)
    assert caught.value.problems[0].key == "method"


@pytest.mark.parametrize(("kind", "double"), FOUR_BIT)
def test_the_fast_path_gives_the_gradients_of_the_library_itself(
    small_base: Path, kind: str, double: bool
) -> None:
    base = quantised(small_base, kind, double)
    torch.manual_seed(1)
    model = add_lora(load_model(base), rank=4, alpha=8.0).get_base_model().train()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    ids = torch.tensor([PROMPTS[1]])
    found = []
    for served in (False, True):
        model.zero_grad()
        with fast_path(model) if served else nullcontext():
            logits = model(input_ids=ids, use_cache=False).logits
        logits.square().mean().backward()
        grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        found.append((logits.detach(), grads))
    (expected, expected_grads), (logits, grads) = found
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    assert grads.keys() == expected_grads.keys()
    for name, grad in grads.items():
        difference = float((grad - expected_grads[name]).abs().max())
        assert difference <= 1e-4 * float(expected_grads[name].abs().max()), name
