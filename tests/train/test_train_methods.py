"""Every method on a small Llama: exact gradients, whole files, exact resumption, exact merging."""

from pathlib import Path
from typing import Any

import pytest
import torch
from methods import (
    METHODS,
    VIRTUAL,
    WHOLE,
    apply,
    batches,
    gradients,
    largest_gap,
    load_plainly,
    logits,
    plain_loss_sum,
)
from small_models import make_model, make_rows

from assay.defend.anchor import adapters_off
from assay.errors import ConfigError
from assay.models.adapters import add_lora, merge_adapter, save_adapter, save_model
from assay.models.forward import packed_mode
from assay.models.methods.freeze import unfreeze
from assay.models.methods.passthrough import add_peft
from assay.models.methods.start import add_start, go_on_from
from assay.models.reuse import find_frozen_depth
from assay.train.checkpoint import Checkpoints, trainable_tensors
from assay.train.fit import FitSettings, fit
from assay.train.optimizer import build_optimizers
from assay.train.sft import SftLoss
from assay.train.step import autocast

ALL = pytest.mark.parametrize("method", METHODS)


def train(model: Any, steps: int, folder: Path | None = None, **options: Any) -> None:
    rows = [make_rows(4, seed=seed) for seed in range(8)]
    with packed_mode(model):
        fit(
            model,
            lambda step: batches(rows[step], 60),
            SftLoss(),
            build_optimizers(model, learning_rate=0.02),
            FitSettings(num_steps=steps, schedule="constant", checkpoint_every_s=1e-9),
            checkpoints=Checkpoints(folder) if folder else None,
            **options,
        )


def save(method: str, wrapped: Any, folder: Path) -> None:
    write = save_model if method in WHOLE else save_adapter
    write(wrapped, folder, tokenizer_folder=folder / "none")


@ALL
def test_packed_loss_and_gradients_equal_plain_peft(method: str) -> None:
    check_gradients(method, "llama")


def check_gradients(method: str, kind: str) -> None:
    rows = make_rows(6)
    wrapped, model = apply(method, kind)
    train(model, 1)
    wrapped.train()
    plain = plain_loss_sum(wrapped, rows)
    plain.backward()
    expected = gradients(model)
    model.zero_grad()
    with packed_mode(model):
        (batch,) = batches(rows)
        loss = SftLoss()(model, batch)
        loss.backward()
    torch.testing.assert_close(loss, plain, rtol=1e-5, atol=1e-5)
    found = gradients(model)
    assert found.keys() == expected.keys() == trainable_tensors(model).keys()
    for name, grad in found.items():
        torch.testing.assert_close(grad, expected[name], rtol=1e-4, atol=2e-5, msg=name)


@ALL
def test_in_bfloat16_loss_and_gradients_equal_plain_peft_but_for_rounding(method: str) -> None:
    """A base in bfloat16 under autocast: the loss to 0.1 %, each gradient to 5 % of its length.

    Attention and head round in another order than the plain pass, at 2^-8 of a value each time.
    """
    rows = make_rows(6)
    torch.manual_seed(1)
    wrapped = METHODS[method](make_model().to(torch.bfloat16)).train()
    model = wrapped if method in WHOLE else wrapped.get_base_model()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, 0, 0.05)
    with autocast("bf16", torch.device("cpu")):
        plain = plain_loss_sum(wrapped, rows)
    plain.backward()
    expected = gradients(model)
    model.zero_grad()
    with packed_mode(model), autocast("bf16", torch.device("cpu")):
        loss = SftLoss()(model, batches(rows)[0])
    loss.backward()
    torch.testing.assert_close(loss, plain, rtol=1e-3, atol=0)
    for name, grad in gradients(model).items():
        apart = (grad.float() - expected[name].float()).norm()
        assert float(apart) <= 0.05 * float(expected[name].float().norm()), name


@ALL
def test_what_was_saved_loads_onto_the_original_base_without_us(
    method: str, tmp_path: Path
) -> None:
    rows = make_rows(3, seed=9)
    wrapped, model = apply(method)
    train(model, 2)
    expected, untuned = logits(wrapped, rows), logits(make_model(), rows)
    assert largest_gap(expected, untuned) > 1e-3
    save(method, wrapped, tmp_path / "saved")
    reloaded = load_plainly(method, "llama", tmp_path / "saved")
    assert largest_gap(logits(reloaded, rows), expected) == 0
    if method not in WHOLE | VIRTUAL:
        merged = merge_adapter(reloaded)
        assert not any("lora_" in name for name, _ in merged.named_parameters())
        assert largest_gap(logits(merged, rows), expected) < 1e-5


@ALL
def test_resumed_equals_uninterrupted_bit_for_bit(method: str, tmp_path: Path) -> None:
    check_resumption(method, "llama", tmp_path)


def check_resumption(method: str, kind: str, folder: Path) -> None:
    _, whole = apply(method, kind)
    train(whole, 4)
    _, cut = apply(method, kind)
    train(cut, 2, folder)
    _, resumed = apply(method, kind)
    train(resumed, 4, folder, resume=True)
    expected, found = trainable_tensors(whole), trainable_tensors(resumed)
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    for (name, parameter), (_, other) in zip(
        whole.named_parameters(), resumed.named_parameters(), strict=True
    ):
        assert torch.equal(parameter, other), name


def test_a_head_that_peft_trains_as_a_copy_is_the_one_of_the_loss(tmp_path: Path) -> None:
    """And with the adapters off, as an anchor has it, the base's own head is."""
    from peft import PeftModel

    rows, settings = make_rows(4), {"peft_type": "LORA", "modules_to_save": ["lm_head"]}
    torch.manual_seed(1)
    wrapped = add_peft(make_model("qwen2"), settings | {"target_modules": ["q_proj"]})
    model = wrapped.get_base_model()
    train(model, 2)
    plain = plain_loss_sum(wrapped, rows)
    plain.backward()
    expected = gradients(model)
    assert any("lm_head" in name for name in expected)
    model.zero_grad()
    with packed_mode(model):
        loss = SftLoss()(model, batches(rows)[0])
        loss.backward()
        with adapters_off(model), torch.no_grad():
            of_base = SftLoss()(model, batches(rows)[0])
    torch.testing.assert_close(loss, plain, rtol=1e-5, atol=1e-5)
    for name, grad in gradients(model).items():
        torch.testing.assert_close(grad, expected[name], rtol=1e-4, atol=2e-5, msg=name)
    torch.testing.assert_close(of_base, plain_loss_sum(make_model("qwen2"), rows))
    save("lora", wrapped, tmp_path)
    again = PeftModel.from_pretrained(make_model("qwen2"), tmp_path).eval()
    assert largest_gap(logits(again, rows), logits(wrapped.eval(), rows)) == 0


def test_freezing_trains_the_last_layers_and_the_patterns_alone() -> None:
    _, model = apply("freeze")
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    names = {name for name, _ in model.named_parameters()}
    assert trained == {name for name in names if "layers.1." in name or "norm" in name}


@pytest.mark.parametrize("kind", ["qwen2", "gpt2"])
def test_bitfit_is_freezing_by_a_pattern(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ben Zaken et al. 2022: biases alone are trained, exactly; the others stay as they were."""

    def unfreeze_biases(model: Any) -> Any:
        return unfreeze(model, top_layers=None, patterns=[r"\.bias$"])

    monkeypatch.setitem(METHODS, "bitfit", unfreeze_biases)
    monkeypatch.setattr("methods.WHOLE", WHOLE | {"bitfit"})
    check_gradients("bitfit", kind)
    check_resumption("bitfit", kind, tmp_path)
    _, model = apply("bitfit", kind)
    train(model, 2)
    for (name, tuned), (_, own) in zip(
        model.named_parameters(), make_model(kind).named_parameters(), strict=True
    ):
        assert tuned.requires_grad == name.endswith(".bias")
        assert torch.equal(tuned, own) != tuned.requires_grad, name


def test_lora_plus_steps_b_by_the_multiple_of_a() -> None:
    """AdamW's first step is the learning rate itself, whatever the gradient's size."""
    _, model = apply("lora")
    before = trainable_tensors(model)
    optimizers = build_optimizers(
        model,
        learning_rate=1e-3,
        get_factor=lambda name: 16.0 if ".lora_B." in name else 1.0,
        epsilon=1e-16,
    )
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.randn_like(parameter)
    for optimizer in optimizers:
        optimizer.step()
    for name, tensor in trainable_tensors(model).items():
        moved = (tensor - before[name]).abs()
        rate = 16e-3 if ".lora_B." in name else 1e-3
        torch.testing.assert_close(moved, torch.full_like(moved, rate), rtol=1e-3, atol=0, msg=name)


def test_pissa_starts_at_the_base_with_its_largest_singular_values() -> None:
    """W + s (B A - B0 A0): the base at first, and W less its largest values is what is left."""
    wrapped, model = apply("pissa")
    rows = make_rows(2)
    assert largest_gap(logits(wrapped, rows), logits(make_model(), rows)) < 1e-5
    layer = model.model.layers[0].mlp.up_proj
    a, b = (part["default"] for part in (layer.lora_A, layer.lora_B))
    product = b.trained @ a.trained * 2.0
    original = make_model().model.layers[0].mlp.up_proj.weight
    assert torch.equal(layer.get_base_layer().weight, original)
    values = torch.linalg.svdvals(original)
    torch.testing.assert_close(torch.linalg.svdvals(product)[:4], values[:4], rtol=1e-4, atol=1e-5)
    rest = torch.linalg.svdvals(original + b.fixed @ a.fixed * 2.0)
    torch.testing.assert_close(rest[0], values[4], rtol=1e-4, atol=1e-5)


def test_pissa_trains_as_beside_what_the_paper_leaves_of_the_base() -> None:
    """The paper's own form, by PEFT: the largest values taken out of W, and an adapter of them."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights="pissa"
    )  # fmt: skip
    papers = get_peft_model(make_model(), config)
    wrapped, model = apply("pissa")
    rows = make_rows(3)
    for tuned in (papers.get_base_model(), model):
        train(tuned, 4)
    assert largest_gap(logits(wrapped, rows), logits(make_model(), rows)) > 0.01
    assert largest_gap(logits(wrapped, rows), logits(papers, rows)) < 1e-4


def make_adapter(folder: Path, seed: int, **options: Any) -> Any:
    """An adapter that does something, saved."""
    torch.manual_seed(seed)
    wrapped = add_lora(make_model(), **({"rank": 2, "alpha": 6.0} | options))
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1)
    save_adapter(wrapped, folder, tokenizer_folder=folder / "none")
    return wrapped.eval()


@pytest.mark.parametrize("flavour", ["rslora", "dora"])
def test_an_adapter_is_trained_on_as_it_is(tmp_path: Path, flavour: str) -> None:
    rows = make_rows(3)
    first = make_adapter(tmp_path / "a", 1, flavours=(flavour,))
    wrapped = go_on_from(make_model(), tmp_path / "a")
    assert largest_gap(logits(wrapped, rows), logits(first, rows)) == 0
    model = wrapped.get_base_model()
    assert trainable_tensors(model).keys() == {
        name for name, _ in model.named_parameters() if "lora_" in name
    }
    train(model, 1)
    assert largest_gap(logits(wrapped, rows), logits(first, rows)) > 1e-3


@pytest.mark.parametrize("kind", ["PROMPT_TUNING", "PREFIX_TUNING", "CARTRIDGE"])
def test_virtual_tokens_are_trained_on_as_they_are(tmp_path: Path, kind: str) -> None:
    rows, settings = make_rows(3), {"peft_type": kind, "num_virtual_tokens": 4}
    first = add_peft(make_model(), settings)
    train(first.get_base_model(), 1)
    save("peft", first, tmp_path)
    wrapped = go_on_from(make_model(), tmp_path)
    assert largest_gap(logits(wrapped, rows), logits(first.eval(), rows)) == 0
    train(wrapped.get_base_model(), 1)
    assert largest_gap(logits(wrapped, rows), logits(first, rows)) > 1e-3


@pytest.mark.parametrize("method", sorted(VIRTUAL))
def test_no_layer_is_reused_below_virtual_tokens(method: str) -> None:
    """They are trained below the lowest layer, or are keys and values of every layer."""
    _, model = apply(method)
    assert find_frozen_depth(model) == 0
    assert find_frozen_depth(unfreeze(make_model(), top_layers=1)) == 1


@pytest.mark.parametrize(
    "settings",
    [{"peft_type": "P_TUNING"}, {"peft_type": "PREFIX_TUNING", "prefix_projection": True}],
)
def test_what_an_encoder_made_cannot_be_trained_on(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    first = add_peft(make_model(), {"num_virtual_tokens": 4, "encoder_hidden_size": 8, **settings})
    save("peft", first, tmp_path)
    with pytest.raises(ConfigError, match="what its encoder made"):
        go_on_from(make_model(), tmp_path)


def test_several_adapters_are_summed_exactly_into_a_fresh_one(tmp_path: Path) -> None:
    """With other ranks, scales and layers each; a rank that is left over has no effect yet."""
    make_adapter(tmp_path / "a", 1)
    make_adapter(
        tmp_path / "b", 2, rank=3, flavours=("rslora",), target_modules=["q_proj", "up_proj"]
    )
    start = {tmp_path / "a": 1.5, tmp_path / "b": -0.5}
    torch.manual_seed(3)
    wrapped = add_lora(make_model(), rank=6, alpha=12.0)
    add_start(wrapped, start)
    expected = make_model()
    from peft import PeftModel

    for folder, weight in start.items():
        tuned = PeftModel.from_pretrained(make_model(), folder).merge_and_unload()
        with torch.no_grad():
            for target, base, other in zip(
                expected.parameters(), make_model().parameters(), tuned.parameters(), strict=True
            ):
                target += weight * (other - base)
    rows = make_rows(3)
    assert largest_gap(logits(wrapped, rows), logits(expected, rows)) < 1e-5
    assert largest_gap(logits(wrapped, rows), logits(make_model(), rows)) > 1e-2
