"""Changes after tuning: scale 0 is the base, 1 the tuned model, and PEFT alone reads the result."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import Tensor

from assay.defend.adapter_files import A, B, SavedAdapter, read_adapter, save_changed
from assay.defend.project import PREFIX, ablate_direction, project_on_alignment
from assay.defend.scale import adapters_scaled, interpolate_weights, scale_adapter
from assay.errors import CheckpointError, ConfigError
from assay.models.adapters import add_lora, merge_adapter, save_adapter
from assay.models.base import find_base, load_model

IDS = torch.tensor([[1, 4, 100, 200, 2]])


@pytest.fixture()
def base(small_base: Path) -> Any:
    return load_model(find_base(str(small_base)))


def _add(model: Any, **settings: Any) -> Any:
    torch.manual_seed(1)
    adapted = add_lora(model, rank=4, alpha=8.0, **settings)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.2)
    return adapted.eval()


@pytest.fixture()
def saved(small_base: Path, tmp_path: Path) -> Path:
    adapted = _add(load_model(find_base(str(small_base))))
    save_adapter(adapted, tmp_path / "adapter", tokenizer_folder=small_base)
    return tmp_path / "adapter"


@torch.no_grad()
def _logits(model: Any) -> Tensor:
    return model(IDS).logits


@pytest.mark.parametrize("flavours", [(), ("rslora",)])
def test_scale_0_is_the_base_1_the_tuned_model_and_saved_ones_are_plain_peft(
    small_base: Path, tmp_path: Path, flavours: tuple[str, ...]
) -> None:
    adapted = _add(load_model(find_base(str(small_base))), flavours=flavours)
    tuned = _logits(adapted)
    with adapted.disable_adapter():
        untouched = _logits(adapted)
    save_adapter(adapted, tmp_path / "adapter", tokenizer_folder=small_base)
    for factor in (0.0, 0.3, 1.0):
        with adapters_scaled(adapted, factor):
            scaled = _logits(adapted)
        folder = tmp_path / f"scaled-{factor}"
        save_changed(scale_adapter(read_adapter(tmp_path / "adapter"), factor), folder)
        plain = PeftModel.from_pretrained(load_model(find_base(str(small_base))), folder).eval()
        assert torch.equal(_logits(plain), scaled)
        expected = {0.0: untouched, 1.0: tuned}.get(factor)
        assert expected is None or torch.equal(scaled, expected)
    assert torch.equal(_logits(adapted), tuned) and not torch.equal(tuned, untouched)


def test_a_scaled_adapter_is_the_interpolation_of_base_and_merged_model(
    small_base: Path, base: Any
) -> None:
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    adapted = _add(base)
    with adapters_scaled(adapted, 0.4):
        scaled = _logits(adapted)
    merged = merge_adapter(adapted).state_dict()
    fresh = load_model(find_base(str(small_base)))
    fresh.load_state_dict(interpolate_weights(before, merged, 0.4))
    torch.testing.assert_close(_logits(fresh), scaled, rtol=1e-4, atol=1e-5)
    for factor, end in ((0.0, before), (1.0, merged)):
        found = interpolate_weights(before, merged, factor)
        assert all(torch.equal(found[name], end[name]) for name in end)


def test_models_of_different_shape_are_not_interpolated() -> None:
    with pytest.raises(ConfigError, match="embed"):
        interpolate_weights({"embed": torch.zeros(3, 2)}, {"embed": torch.zeros(4, 2)}, 0.5)


@pytest.mark.parametrize("flavours", [("dora",), None])
def test_what_has_no_scale_is_refused(
    small_base: Path, base: Any, tmp_path: Path, flavours: tuple[str, ...] | None
) -> None:
    model = base if flavours is None else _add(base, flavours=flavours)
    with pytest.raises(ConfigError), adapters_scaled(model, 0.5):
        pass
    if flavours is not None:
        save_adapter(model, tmp_path / "adapter", tokenizer_folder=small_base)
        with pytest.raises(ConfigError, match="use_dora"):
            read_adapter(tmp_path / "adapter")


def test_a_folder_is_never_written_over(saved: Path) -> None:
    with pytest.raises(CheckpointError, match="new folder"):
        save_changed(read_adapter(saved), saved)


def _update(adapter: SavedAdapter, layer: str) -> Tensor:
    return adapter.tensors[layer + B].double() @ adapter.tensors[layer + A].double()


def test_a_layer_is_projected_where_its_update_leaves_alignment(saved: Path) -> None:
    adapter = read_adapter(saved)
    second = next(n for n in adapter.layers if n.endswith("down_proj"))  # more inputs than outputs
    first, *others = (n for n in adapter.layers if n != second)
    generator = torch.Generator().manual_seed(3)
    unaligned, aligned = {}, {}
    for layer in adapter.layers:
        shape = _update(adapter, layer).shape
        name = f"{layer.removeprefix(PREFIX)}.weight"
        unaligned[name] = torch.randn(shape, generator=generator)
        aligned[name] = unaligned[name].clone()
    # The first was aligned at random, the second in every direction alike, the rest not at all.
    for layer, added in ((first, None), (second, 1.0)):
        name = f"{layer.removeprefix(PREFIX)}.weight"
        shape = aligned[name].shape
        aligned[name] += (
            torch.randn(shape, generator=generator) if added is None else torch.eye(*shape)
        )
    changed, cosines = project_on_alignment(adapter, aligned, unaligned, threshold=0.99)
    name = f"{first.removeprefix(PREFIX)}.weight"
    alignment = aligned[name].double() - unaligned[name].double()
    expected = alignment @ alignment.T / alignment.norm() @ _update(adapter, first)
    torch.testing.assert_close(_update(changed, first), expected, rtol=1e-5, atol=1e-6)
    assert set(cosines) == {first, second}
    assert 0 < cosines[first] < 0.99
    assert cosines[second] == pytest.approx(1, abs=1e-6)
    for layer in (second, *others):
        assert torch.equal(_update(changed, layer), _update(adapter, layer))
    same, _ = project_on_alignment(adapter, aligned, unaligned, threshold=-1)
    assert all(torch.equal(same.tensors[n], t) for n, t in adapter.tensors.items())


def test_a_missing_weight_is_named(saved: Path) -> None:
    with pytest.raises(ConfigError, match="down_proj"):
        project_on_alignment(read_adapter(saved), {}, {}, threshold=0.5)


def test_nothing_is_written_along_an_ablated_direction(
    small_base: Path, base: Any, saved: Path, tmp_path: Path
) -> None:
    adapter = read_adapter(saved)
    direction = torch.randn(base.config.hidden_size, generator=torch.Generator().manual_seed(5))
    changed = ablate_direction(adapter, direction)
    writers = [n for n in adapter.layers if n.endswith(("o_proj", "down_proj"))]
    assert writers
    for layer in adapter.layers:
        before, after = _update(adapter, layer), _update(changed, layer)
        if layer not in writers:
            assert torch.equal(before, after)
            continue
        unit = direction.double() / direction.double().norm()
        assert float((unit @ before).norm()) > 1e-3
        assert float((unit @ after).norm()) < 1e-6
        torch.testing.assert_close(
            after + torch.outer(unit, unit @ before), before, rtol=1e-4, atol=1e-6
        )
    save_changed(changed, tmp_path / "ablated")
    plain = PeftModel.from_pretrained(base, tmp_path / "ablated")
    found = dict(plain.named_parameters())[writers[0] + ".lora_B.default.weight"]
    assert torch.equal(found, changed.tensors[writers[0] + B])


def test_a_direction_of_another_size_is_refused(saved: Path) -> None:
    with pytest.raises(ConfigError, match="3 dimensions"):
        ablate_direction(read_adapter(saved), torch.ones(3))
    with pytest.raises(ConfigError):
        ablate_direction(read_adapter(saved), torch.zeros(3))
