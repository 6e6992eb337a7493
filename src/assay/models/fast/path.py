"""Gives a model the fast path for a while: forward passes of single modules that fuse their work.

Linear layers that share their input are found by name, norms and gated products by trying: one of
each class is run on random numbers both ways, and only what agrees is replaced. What is left alone
is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from assay.models.fast.gate import GELU_TANH, SILU, gated_product
from assay.models.fast.last_layer import build_forward, find_last_layer
from assay.models.fast.layers import find_obstacle, run_layers
from assay.models.fast.matmul import uses_onednn
from assay.models.fast.norm import rms_norm
from assay.models.fast.replaced import mark_same
from assay.models.fast.tables import find_trained_tables

Forward = Callable[..., Any]
SIBLINGS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"), ("w1", "w3"))
"""Layers that common architectures give the same input."""
_PROBE_ROWS = 3
_tried: WeakKeyDictionary[nn.Module, dict[Any, Any]] = WeakKeyDictionary()
"""What trying the classes of a decoder's modules has shown: it is entered often, and asked once."""


@contextmanager
def fast_path(model: Any) -> Iterator[str]:
    """Replace forward passes in the decoder of `model`; yields a line that says what was left.

    The line is empty where every layer with an adapter is served. Weights, hooks and names stay as
    they are, so that saving, PEFT and gradients see the same model.
    """
    decoder = model.base_model
    taken: dict[nn.Module, Forward] = {}
    reasons: Counter[str] = Counter()
    _take_mlps(decoder, taken)
    _take_linears(decoder, taken, reasons)
    _take_norms(decoder, taken)
    taken.update(find_trained_tables(decoder))
    last = find_last_layer(decoder)
    if last is not None and "forward" not in last.__dict__:
        taken[last] = build_forward(last)
    for module, forward in taken.items():
        module.__dict__["forward"] = mark_same(forward)
    try:
        yield _describe(reasons)
    finally:
        for module in taken:
            del module.__dict__["forward"]


def _describe(reasons: Counter[str]) -> str:
    if not reasons:
        return ""
    listed = ", ".join(f"{reason} ({number})" for reason, number in reasons.most_common())
    return f"without the fast path: {listed}"


def _take_linears(
    decoder: nn.Module, taken: dict[nn.Module, Forward], reasons: Counter[str]
) -> None:
    grouped: set[nn.Module] = set()
    for parent in decoder.modules():
        for names in SIBLINGS:
            modules = [getattr(parent, name, None) for name in names]
            found = [one for one in modules if isinstance(one, nn.Module) and _is_served(one)]
            if len(found) == len(names) and parent not in taken:
                taken.update(_share_input(found))
                grouped.update(found)
    for module in decoder.modules():
        if module in grouped or module in taken or not _is_linear(module):
            continue
        obstacle = find_obstacle(module)
        if obstacle:
            reasons[obstacle] += 1
        elif _is_served(module):
            taken[module] = _run_alone(module)


def _is_linear(module: nn.Module) -> bool:
    return hasattr(module, "lora_A") or type(module) is nn.Linear


def _is_served(module: nn.Module) -> bool:
    """Whether fusing gains: where there is an adapter, or a faster product than the layer's own."""
    if "forward" in module.__dict__ or not _is_linear(module) or find_obstacle(module):
        return False
    return hasattr(module, "lora_A") or uses_onednn(module.weight)  # type: ignore[arg-type]


def _run_alone(module: nn.Module) -> Forward:
    return lambda x, *args, **kwargs: run_layers([module], x)[0]


def _share_input(modules: list[nn.Module]) -> dict[nn.Module, Forward]:
    """Forward passes of which the first to be called with an input serves the others too."""
    waiting: dict[int, Tensor] = {}
    last: list[Tensor] = []

    def build(index: int) -> Forward:
        def forward(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            if not (last and last[0] is x and index in waiting):
                waiting.clear()
                last[:] = [x]
                waiting.update(enumerate(run_layers(modules, x)))
            out = waiting.pop(index)
            if not waiting:
                last.clear()
            return out

        return forward

    return {module: build(index) for index, module in enumerate(modules)}


def _take_mlps(decoder: nn.Module, taken: dict[nn.Module, Forward]) -> None:
    """MLPs that compute ``down(act(gate(x)) * up(x))``."""
    acts: dict[Any, str | None] = _tried.setdefault(decoder, {})
    for module in decoder.modules():
        layers = [getattr(module, name, None) for name in ("gate_proj", "up_proj", "down_proj")]
        if not all(isinstance(one, nn.Module) and _is_served(one) for one in layers):
            continue
        if "forward" in module.__dict__:
            continue
        if type(module) not in acts:
            acts[type(module)] = find_act(module)
        act = acts[type(module)]
        if act is not None:
            taken[module] = _run_mlp(module, act)


def _run_mlp(module: Any, act: str) -> Forward:
    def forward(x: Tensor) -> Tensor:
        gate, up = run_layers([module.gate_proj, module.up_proj], x)
        return run_layers([module.down_proj], gated_product(gate, up, act))[0]

    return forward


def find_act(module: Any) -> str | None:
    """The activation with which the fused pass agrees with the module's own; None for neither."""
    size = getattr(module.gate_proj, "in_features", 0)
    for act in (SILU, GELU_TANH):
        if _agrees(module, _run_mlp(module, act), size, module.down_proj.weight):
            return act
    return None


def _take_norms(decoder: nn.Module, taken: dict[nn.Module, Forward]) -> None:
    offsets: dict[Any, float | None] = _tried.setdefault(decoder, {})
    for module in decoder.modules():
        weight = module._parameters.get("weight")
        eps = getattr(module, "variance_epsilon", getattr(module, "eps", None))
        if "RMSNorm" not in type(module).__name__ or weight is None or not isinstance(eps, float):
            continue
        if type(module) not in offsets:
            offsets[type(module)] = find_offset(module, weight, eps)
        offset = offsets[type(module)]
        if offset is not None and "forward" not in module.__dict__:
            taken[module] = _run_norm(module, offset, eps)


def _run_norm(module: Any, offset: float, eps: float) -> Forward:
    return lambda x: rms_norm(x, module.weight, offset=offset, eps=eps)


def find_offset(module: nn.Module, weight: Tensor, eps: float) -> float | None:
    for offset in (0.0, 1.0):
        if _agrees(module, _run_norm(module, offset, eps), len(weight), weight):
            return offset
    return None


@torch.no_grad()
def _agrees(module: nn.Module, forward: Forward, size: int, like: Tensor) -> bool:
    """Whether both ways give the same on fixed random rows, to a few roundings.

    Weights that are sharded over ranks cannot be tried one module at a time: they are left alone.
    """
    if hasattr(like, "to_local"):
        return False
    dtype = like.dtype if like.is_floating_point() else torch.float32
    x = torch.randn(1, _PROBE_ROWS, size, generator=torch.Generator().manual_seed(0))
    x = x.to(like.device, dtype)
    expected, found = module.forward(x), forward(x)
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return False
    tolerance = 64 * torch.finfo(dtype).eps
    difference = (expected - found).abs().max()
    return bool(difference <= tolerance * expected.abs().max().clamp_min(1e-6))
