"""Each optimizer against its published recursion or its library, apart = together, bfloat16."""

import copy
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from assay.config.optimizers import OPTIMIZER_SETTINGS
from assay.errors import ConfigError
from assay.models import quantize
from assay.train.optimizer import build_optimizers, set_learning_rate
from assay.train.schedule_free import average_weights, show_average
from assay.train.split_weights import SplitOptimizer, join_float, split_float

RATE, DECAY, NUM_STEPS = 3e-3, 0.1, 6
needs_bitsandbytes = pytest.mark.skipif(
    not find_spec("bitsandbytes"), reason="bitsandbytes, of the extra `quant`, is not installed"
)
ON_CPU = [
    pytest.param(name, marks=needs_bitsandbytes) if name == "adamw_8bit" else name
    for name in OPTIMIZER_SETTINGS
    if name != "paged_adamw_8bit"
]


class Small(nn.Module):
    """A table, a matrix large enough for 8-bit state, a small one, and a vector."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)

        def weight(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(shape, generator=generator).to(dtype))

        self.embed_tokens, self.large = weight(7, 5), weight(80, 64)
        self.small, self.vector = weight(6, 9), weight(11)


def train(model: Small, optimizers: Any, *, num_steps: int = NUM_STEPS) -> Small:
    """Steps with gradients that depend on the weights, under a learning rate that warms up."""
    for step in range(num_steps):
        set_learning_rate(optimizers, min(1.0, (step + 1) / 3))
        set_gradients(model, step)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    return model


def set_gradients(model: Small, step: int) -> None:
    for number, parameter in enumerate(model.parameters()):
        generator = torch.Generator().manual_seed(97 * step + number)
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.grad = (0.2 * parameter.detach() + noise).to(parameter.dtype)


def follow(update: Any, *, decay_at_all: bool = True) -> dict[str, Tensor]:
    """The weights after the same steps by `update(w, g, lr, decay, state, t)` in float64."""
    model = Small()
    weights = {name: p.detach().double() for name, p in model.named_parameters()}
    states: dict[str, dict[str, Any]] = {name: {} for name in weights}
    for step in range(NUM_STEPS):
        rate = RATE * min(1.0, (step + 1) / 3)
        for name, parameter in model.named_parameters():
            parameter.data = weights[name].float()
        set_gradients(model, step)
        for name, parameter in model.named_parameters():
            decay = DECAY if parameter.ndim == 2 and decay_at_all else 0.0
            grad = parameter.grad.double()  # type: ignore[union-attr]
            weights[name] = update(weights[name], grad, rate, decay, states[name], step + 1)
    return weights


def adamw(w: Tensor, g: Tensor, lr: float, decay: float, state: Any, t: int) -> Tensor:
    m = state["m"] = 0.9 * state.get("m", 0) + 0.1 * g
    v = state["v"] = 0.999 * state.get("v", 0) + 0.001 * g**2
    return w * (1 - lr * decay) - lr * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8)


def lion(w: Tensor, g: Tensor, lr: float, decay: float, state: Any, t: int) -> Tensor:
    m = state.get("m", torch.zeros_like(g))
    state["m"] = 0.99 * m + 0.01 * g
    return w - lr * ((0.9 * m + 0.1 * g).sign() + decay * w)


def adafactor(w: Tensor, g: Tensor, lr: float, decay: float, state: Any, t: int) -> Tensor:
    rate = 1 - t**-0.8
    square = g**2 + 1e-30
    if g.ndim == 2:
        rows = state["rows"] = rate * state.get("rows", 0) + (1 - rate) * square.sum(1)
        columns = state["columns"] = rate * state.get("columns", 0) + (1 - rate) * square.sum(0)
        second = torch.outer(rows, columns) / rows.sum()
    else:
        second = state["v"] = rate * state.get("v", 0) + (1 - rate) * square
    update = g / second**0.5
    update = update / max(1.0, float((update**2).mean() ** 0.5))
    return w * (1 - lr * decay) - lr * update


def schedule_free(w: Tensor, g: Tensor, lr: float, decay: float, state: Any, t: int) -> Tensor:
    """Algorithm 1 with x, y and z; `w` is y."""
    x, z = state.get("x", w), state.get("z", w)
    v = state["v"] = 0.999 * state.get("v", 0) + 0.001 * g**2
    peak = state["peak"] = max(state.get("peak", 0.0), lr)
    total = state["total"] = state.get("total", 0.0) + peak**2
    share = peak**2 / total
    z = state["z"] = z - lr * (g / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8) + decay * w)
    x = state["x"] = (1 - share) * x + share * z
    return 0.1 * z + 0.9 * x


@pytest.mark.parametrize(
    ("name", "update"),
    [
        ("adamw", adamw),
        ("lion", lion),
        ("adafactor", adafactor),
        ("schedule_free", schedule_free),
    ],
)
def test_steps_are_those_of_the_paper(name: Any, update: Any) -> None:
    expected = follow(update)
    model = Small()
    train(model, build_optimizers(model, name=name, learning_rate=RATE, weight_decay=DECAY))
    for key, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.double(), expected[key], atol=2e-6, rtol=1e-5)


@needs_bitsandbytes
def test_eight_bit_steps_are_those_of_the_library_and_near_adamw() -> None:
    from bitsandbytes.optim import AdamW8bit

    ours, theirs, exact = Small(), Small(), Small()
    train(ours, build_optimizers(ours, name="adamw_8bit", learning_rate=RATE))
    library = AdamW8bit(theirs.parameters(), lr=RATE, weight_decay=0.0)
    for group in library.param_groups:
        group["peak_learning_rate"] = RATE
    train(theirs, [library])
    train(exact, build_optimizers(exact, learning_rate=RATE))
    state = library.state[theirs.large]
    assert state["state1"].dtype == torch.uint8
    for one, two, three in zip(
        ours.parameters(), theirs.parameters(), exact.parameters(), strict=True
    ):
        assert torch.equal(one, two)
        moved = NUM_STEPS * RATE
        torch.testing.assert_close(one, three, atol=0.25 * moved, rtol=0)
    assert not torch.equal(ours.large, exact.large)


def test_schedule_free_is_that_of_its_package() -> None:
    schedulefree = pytest.importorskip("schedulefree", reason="schedulefree is not installed")
    ours, theirs = Small(), Small()
    mine = build_optimizers(ours, name="schedule_free", learning_rate=RATE)
    package = schedulefree.AdamWScheduleFree(theirs.parameters(), lr=RATE)
    package.train()
    package.param_groups[0]["peak_learning_rate"] = RATE
    train(ours, mine)
    train(theirs, [package])
    package.eval()
    show_average(mine)
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=1e-5)


def test_muon_steps_hidden_matrices_and_adamw_the_rest() -> None:
    model, apart = Small(), Small()
    train(model, build_optimizers(model, name="muon", learning_rate=RATE, weight_decay=DECAY))
    groups = [
        {"params": [apart.embed_tokens], "weight_decay": DECAY},
        {"params": [apart.vector], "weight_decay": 0.0},
    ]
    references: list[Any] = [
        torch.optim.AdamW(groups, lr=RATE, fused=True),
        torch.optim.Muon(
            [apart.large, apart.small],
            lr=RATE,
            weight_decay=DECAY,
            momentum=0.95,
            adjust_lr_fn="match_rms_adamw",
        ),
    ]
    for reference in references:
        for group in reference.param_groups:
            group["peak_learning_rate"] = RATE
    train(apart, references)
    for one, two in zip(model.parameters(), apart.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("name", ON_CPU)
def test_apart_equals_together_bit_for_bit(name: Any) -> None:
    together, apart = Small(), Small()
    train(together, build_optimizers(together, name=name, learning_rate=RATE))
    optimizers = build_optimizers(apart, name=name, learning_rate=RATE, apart=True)
    assert len(optimizers) == 4
    train(apart, optimizers)
    for one, two in zip(together.parameters(), apart.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("name", ON_CPU)
def test_only_matrices_decay(name: Any) -> None:
    model = Small()
    optimizers = build_optimizers(model, name=name, learning_rate=RATE, weight_decay=DECAY)
    decayed = {
        id(p) for o in optimizers for g in o.param_groups if g["weight_decay"] for p in g["params"]
    }
    for parameter in model.parameters():
        assert (id(parameter) in decayed) == (parameter.ndim == 2)


def test_a_float_is_split_without_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    bits = torch.randint(-(2**31), 2**31, (100_000,), generator=generator).to(torch.int32)
    special = [0.0, -0.0, 1.0, float("inf"), -float("inf"), 1e-45, 3.4028235e38]
    value = torch.cat([bits.view(torch.float32), torch.tensor(special)])
    high, low = split_float(value)
    assert (high.dtype, low.dtype) == (torch.bfloat16, torch.int16)
    assert torch.equal(join_float(high, low).view(torch.int32), value.view(torch.int32))
    finite = value[value.abs() < 1e38]
    distance = (split_float(finite)[0].float() - finite).abs()
    assert torch.equal(distance, (finite.bfloat16().float() - finite).abs()), "not the nearest"


@pytest.mark.parametrize("name", ON_CPU)
def test_bfloat16_weights_keep_updates_too_small_for_them(name: Any) -> None:
    """Sixty steps far below half a unit in the last place: as in float32, bit for bit."""
    model, exact = Small(torch.bfloat16), Small()
    for one, two in zip(model.parameters(), exact.parameters(), strict=True):
        two.data = one.detach().float()
    optimizers = build_optimizers(model, name=name, learning_rate=1e-4)
    reference = build_optimizers(exact, name=name, learning_rate=1e-4)
    for _ in range(60):
        for parameter in (*model.parameters(), *exact.parameters()):
            parameter.grad = torch.ones_like(parameter)
        for each in (*optimizers, *reference):
            each.step()
            each.zero_grad()
    for one, two in zip(model.parameters(), exact.parameters(), strict=True):
        assert torch.equal(one, split_float(two.detach())[0])


def test_bfloat16_alone_would_lose_them() -> None:
    """The premise of the test above: stepped in bfloat16, most weights would not move at all."""
    kept, lost = Small(torch.bfloat16), Small(torch.bfloat16)
    before = kept.large.detach().clone()
    optimizers = build_optimizers(kept, learning_rate=1e-4)
    naive = torch.optim.AdamW(lost.parameters(), lr=1e-4)
    for _ in range(60):
        for parameter in (*kept.parameters(), *lost.parameters()):
            parameter.grad = torch.ones_like(parameter)
        for each in (*optimizers, naive):
            each.step()
            each.zero_grad()
    assert (kept.large != before).float().mean() > 0.8
    assert (lost.large != before).float().mean() < 0.2


def test_state_of_bfloat16_weights_goes_on_bit_for_bit() -> None:
    whole, cut, again = (Small(torch.bfloat16) for _ in range(3))
    train(whole, build_optimizers(whole, learning_rate=RATE), num_steps=4)
    first = build_optimizers(cut, learning_rate=RATE)
    train(cut, first, num_steps=4)
    second = build_optimizers(again, learning_rate=RATE)
    for one, two in zip(cut.parameters(), again.parameters(), strict=True):
        two.data = one.detach().clone()
    for before, after in zip(first, second, strict=True):
        assert isinstance(after, SplitOptimizer)
        after.load_state_dict(copy.deepcopy(before.state_dict()))
    for model, optimizers in ((cut, first), (again, second)):
        train(model, optimizers, num_steps=3)
    for one, two in zip(cut.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_evaluation_of_averaged_weights_leaves_no_trace(dtype: torch.dtype) -> None:
    looked, blind = Small(dtype), Small(dtype)
    watched = build_optimizers(looked, name="schedule_free", learning_rate=RATE)
    for step in range(2):
        before = [p.detach().clone() for p in looked.parameters()]
        with average_weights(watched):
            is_same = all(map(torch.equal, looked.parameters(), before))
            assert is_same == (step == 0), "the average is of the steps so far"
        assert all(map(torch.equal, looked.parameters(), before))
        train(looked, watched)
    unwatched = build_optimizers(blind, name="schedule_free", learning_rate=RATE)
    for _ in range(2):
        train(blind, unwatched)
    assert all(map(torch.equal, looked.parameters(), blind.parameters()))


def test_a_paged_optimizer_has_nothing_to_page_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize, "find_spec", lambda name: True)
    with pytest.raises(ConfigError, match="paged_adamw_8bit on a CPU"):
        build_optimizers(Small(), name="paged_adamw_8bit", learning_rate=RATE)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install bitsandbytes"):
        build_optimizers(Small(), name="adamw_8bit", learning_rate=RATE)


def test_settings_of_another_optimizer_are_refused() -> None:
    with pytest.raises(ConfigError, match="epsilon"):
        build_optimizers(Small(), name="lion", learning_rate=RATE, epsilon=1e-8)
