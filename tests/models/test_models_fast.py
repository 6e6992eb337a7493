"""The fast path against PEFT's and Transformers' own passes, and its products against PyTorch's."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch.nn.functional import linear
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from assay.data.pack import build_batch
from assay.models.fast import kernels, norm
from assay.models.fast.dora import compute_weight_norm
from assay.models.fast.kernels import compiled_kernels
from assay.models.fast.linear import Adapter, Layer, apply_layers
from assay.models.fast.matmul import add_matmul, compute_weight_grads, matmul, matmul_t
from assay.models.fast.norm import rms_norm
from assay.models.fast.path import fast_path
from assay.models.forward import (
    compute_hidden,
    compute_supervised_hidden,
    load_batch,
    packed_mode,
)

SHAPE: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
}
MODELS: dict[str, Callable[[], Any]] = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE, attention_bias=True)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SHAPE)),
    "gemma3": lambda: Gemma3ForCausalLM(Gemma3TextConfig(**SHAPE, sliding_window=4)),
}


def make_peft(kind: str, **options: Any) -> Any:
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", **options)
    model = get_peft_model(MODELS[kind](), config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
        if "magnitude" in name:
            parameter.data.mul_(1.1)
    return model.get_base_model().train()


def run(model: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    ids = torch.tensor([[3, 17, 42, 8, 25, 60, 1, 9]])
    model.zero_grad()
    logits = model(input_ids=ids, use_cache=False).logits
    (logits.float().square().mean()).backward()
    grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return logits.detach().float(), grads


def compare(model: Any, tolerance: float, *, left_out: str = "") -> None:
    expected, expected_grads = run(model)
    with fast_path(model) as line:
        found, grads = run(model)
    assert left_out in line if left_out else line == ""
    assert not any("forward" in module.__dict__ for module in model.modules())
    assert grads.keys() == expected_grads.keys()
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    for name, grad in grads.items():
        scale = float(expected_grads[name].abs().max())
        assert scale > 0, f"{name} has no gradient to compare"
        difference = float((grad - expected_grads[name]).abs().max())
        assert difference <= tolerance * scale, f"{name}: {difference} of {scale}"


FLAVOURS: dict[str, dict[str, Any]] = {
    "lora": {},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
}


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("kind", MODELS)
def test_logits_and_gradients_equal_pefts_own(kind: str, flavour: str) -> None:
    compare(make_peft(kind, **FLAVOURS[flavour]), 2e-5)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_in_bfloat16_they_agree_to_its_rounding(flavour: str) -> None:
    """Adapters stay float32 beside a bfloat16 base; PEFT alone also computes them so."""
    model = make_peft("llama", **FLAVOURS[flavour])
    for parameter in model.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.to(torch.bfloat16)
    compare(model, 0.1)


@pytest.mark.parametrize("kind", MODELS)
def test_all_weights_get_the_gradients_of_plain_transformers(kind: str) -> None:
    torch.manual_seed(0)
    compare(MODELS[kind]().train(), 2e-5)


def test_under_autocast_weights_get_float32_gradients_close_to_pefts() -> None:
    model = make_peft("llama")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        compare(model, 0.1)
        _, grads = run(model)
    assert {grad.dtype for grad in grads.values()} == {torch.float32}


def test_adapters_that_are_off_give_the_base() -> None:
    model = make_peft("llama", use_dora=True)
    ids = torch.tensor([[3, 17, 42]])
    layers = [module for module in model.modules() if hasattr(module, "lora_A")]
    with torch.no_grad(), fast_path(model):
        tuned = model(input_ids=ids).logits
        for layer in layers:
            layer.enable_adapters(False)
        off = model(input_ids=ids).logits
    with torch.no_grad():
        plain = model(input_ids=ids).logits
    torch.testing.assert_close(off, plain, rtol=1e-5, atol=1e-5)
    assert float((tuned - off).abs().max()) > 1e-2


def test_what_cannot_be_served_is_named_and_left_as_it_was() -> None:
    compare_dropout = make_peft("llama", lora_dropout=0.5).eval()
    compare(compare_dropout, 2e-5, left_out="dropout (14)")
    torch.manual_seed(0)
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=61, n_embd=32, n_layer=1, n_head=4))
    config = LoraConfig(r=4, target_modules=["c_attn"], task_type="CAUSAL_LM", fan_in_fan_out=True)
    model = get_peft_model(gpt2, config).get_base_model()
    with fast_path(model) as line:
        assert line == "without the fast path: adapters on layers of type Conv1D (1)"


def test_siblings_called_with_other_inputs_are_not_mixed_up() -> None:
    """A grouped layer serves its siblings for the same input alone."""
    model = make_peft("llama")
    attention = model.model.layers[0].self_attn
    first, second = torch.randn(1, 3, 32), torch.randn(1, 3, 32)
    expected = [attention.q_proj(first), attention.k_proj(second), attention.q_proj(second)]
    with fast_path(model):
        found = [attention.q_proj(first), attention.k_proj(second), attention.q_proj(second)]
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_the_node_of_layers_has_the_gradients_of_finite_differences() -> None:
    torch.manual_seed(0)

    def rand(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, requires_grad=True)

    x, w1, w2, bias = rand(5, 4), rand(3, 4), rand(6, 4), rand(6)
    pairs = [rand(2, 4), rand(3, 2), rand(1, 4), rand(6, 1)]

    def call(x: Any, w1: Any, w2: Any, bias: Any, *pairs: Any) -> Any:
        a1, b1, a2, b2 = pairs
        layers = [
            Layer(lambda: w1, None, Adapter(a1, b1, 0.5), w1),
            Layer(lambda: w2, bias, Adapter(a2, b2, 2.0), w2),
            Layer(lambda: w1, None, None, w1),
        ]
        return tuple(apply_layers(x, layers))

    assert torch.autograd.gradcheck(call, (x, w1, w2, bias, *pairs))


def test_the_norm_of_an_updated_weight_is_that_of_the_sum() -> None:
    torch.manual_seed(0)
    weight, a, b = torch.randn(7, 5), torch.randn(3, 5), torch.randn(7, 3)
    expected = torch.linalg.norm(weight + 0.7 * b @ a, dim=1)
    torch.testing.assert_close(compute_weight_norm(weight, a, b, 0.7), expected)


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_the_norm_has_the_gradients_of_finite_differences(offset: float) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 3, 5), torch.randn(5)
    with torch.no_grad():
        by_hand = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * (offset + weight)
    torch.testing.assert_close(rms_norm(x, weight, offset=offset, eps=1e-6), by_hand)
    inputs = [value.requires_grad_() for value in (x, weight)]
    rms_norm(x, weight, offset=offset, eps=1e-6).sin().sum().backward()
    found = [value.grad.clone() for value in inputs if value.grad is not None]
    for value in inputs:
        value.grad = None
    plain = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * (offset + weight)
    plain.sin().sum().backward()
    for grad, value in zip(found, inputs, strict=True):
        torch.testing.assert_close(grad, value.grad, rtol=1e-4, atol=1e-5)


SIZES = st.integers(1, 33)


@given(SIZES, SIZES, SIZES, st.booleans(), st.booleans(), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_products_equal_pytorchs_whatever_the_strides(
    rows: int, inner: int, columns: int, turn_x: bool, turn_w: bool, gap: int
) -> None:
    x = torch.randn(rows, inner + gap)[:, gap:] if not turn_x else torch.randn(inner, rows).t()
    weight = torch.randn(columns, inner + gap)[:, :inner]
    weight = torch.randn(inner, columns).t() if turn_w else weight
    total, bias = torch.randn(rows, columns), torch.randn(columns)
    close = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(matmul_t(x, weight, bias), linear(x, weight, bias), **close)
    torch.testing.assert_close(matmul(x, weight.t()), x @ weight.t(), **close)
    expected = total + x @ weight.t()
    torch.testing.assert_close(add_matmul(total.clone(), x, weight.t()), expected, **close)
    (grad,) = compute_weight_grads([x.t()], weight.t())
    torch.testing.assert_close(grad, x @ weight.t(), **close)
    assert grad.is_contiguous()


@pytest.mark.parametrize("kind", MODELS)
def test_the_last_mlp_sees_supervised_positions_alone_and_gives_the_same(kind: str) -> None:
    model = make_peft(kind)
    rows = [[3, 17, 42, 8, 25], [60, 1, 9, 30], [5, 6]]
    masks = [[0.0, 0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [0.0, 1.0]]
    batch = load_batch(build_batch(rows, masks), torch.device("cpu"))
    with packed_mode(model):
        expected = compute_hidden(model, batch)[batch.target_positions_N]
        expected.square().sum().backward()
    grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    seen: list[int] = []
    hook = model.model.layers[-1].mlp.register_forward_hook(
        lambda module, args, output: seen.append(output.shape[1])
    )
    with packed_mode(model):
        found = compute_supervised_hidden(model, batch)
        found.square().sum().backward()
    hook.remove()
    assert seen[-1] == 5
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, grads[name], rtol=1e-4, atol=1e-5, msg=name)


def test_a_last_layer_of_another_form_is_left_alone() -> None:
    """One that scales its residual, say: both ways are run once, and the layer's own is kept."""

    class Scaled(LlamaDecoderLayer):
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return super().forward(*args, **kwargs) * 0.5

    model = make_peft("llama")
    model.model.layers[-1].__class__ = Scaled
    batch = build_batch([[3, 17, 42, 8]], [[0.0, 0.0, 1.0, 1.0]])
    tensors = load_batch(batch, torch.device("cpu"))
    with packed_mode(model), torch.no_grad():
        expected = compute_hidden(model, tensors)[tensors.target_positions_N]
        found = compute_supervised_hidden(model, tensors)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def compare_compiled() -> None:
    for kind in ("llama", "gemma3"):
        model = make_peft(kind)
        with fast_path(model):
            expected, expected_grads = run(model)
            with compiled_kernels():
                found, grads = run(model)
        torch.testing.assert_close(found, expected, rtol=2e-5, atol=2e-5)
        for name, grad in grads.items():
            torch.testing.assert_close(grad, expected_grads[name], rtol=1e-3, atol=1e-6, msg=name)


def test_kernels_are_compiled_where_asked_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a backend that runs what was traced as it is: the tracing is what is tried."""
    compiled: list[str] = []

    def count(function: Any, **options: Any) -> Any:
        compiled.append(function.__name__)
        return torch_compile(function, **options)

    torch_compile = torch.compile
    monkeypatch.setattr(kernels, "BACKEND", "eager")
    monkeypatch.setattr(torch, "compile", count)
    monkeypatch.setattr(norm, "_normalise", kernels.kernel(norm._normalise.__wrapped__))  # type: ignore[attr-defined]
    with fast_path(model := make_peft("llama")):
        run(model)
    assert compiled == []
    compare_compiled()
    assert compiled.count("_normalise") == 1


@pytest.mark.slow
def test_compiled_kernels_equal_plain_ones() -> None:
    compare_compiled()
