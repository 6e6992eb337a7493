"""Which layers of a base get low-rank adapters; it adds none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from assay.errors import ConfigError, Problem

ALL_LINEAR = "all-linear"
_READ_RAW = ("dt_proj", "out_proj", "x_proj")
"""Projections of state-space layers whose weights their kernels read, past any adapter."""


@dataclass(frozen=True)
class Targets:
    """What to tell PEFT: names of modules, and of stacked expert weights, which are no modules."""

    modules: str | list[str]
    parameters: list[str] | None = None


def choose_targets(
    model: Any,
    target_modules: str | Sequence[str],
    *,
    flavours: Collection[str] = (),
    dropout: float = 0.0,
) -> Targets:
    """The layers of ``all-linear``, which is left to PEFT where it can, or those named.

    PEFT takes the experts of known architectures as linear layers too, but not with what
    `find_left_out` names.
    """
    if not isinstance(target_modules, str):
        experts = {name.rsplit(".", 1)[-1] for name in list_expert_weights(model)}
        named = [name for name in target_modules if name.rsplit(".", 1)[-1] in experts]
        return Targets([name for name in target_modules if name not in named], named or None)
    if _list_raw(model) or find_left_out(model, flavours=flavours, dropout=dropout):
        return Targets(list_linear_names(model))
    return Targets(ALL_LINEAR)


def find_left_out(model: Any, *, flavours: Collection[str], dropout: float) -> str:
    """Which settings keep adapters from the experts of `model`; empty where it has none, or none
    do."""
    if not list_expert_weights(model):
        return ""
    given = [name for name in ("dora", "pissa") if name in flavours]
    return " and ".join([*given, *(["dropout"] if dropout else [])])


def check_targets(model: Any, target_modules: str | Sequence[str]) -> None:
    """Whether each name is the end of the name of a linear layer of `model`, its head apart.

    The stacked weights of experts count as layers too.

    Raises:
        ConfigError: the names that are not, all of them, each with the nearest that is.
    """
    if isinstance(target_modules, str):
        return
    names = [*list_linear_names(model), *list_expert_weights(model)]
    endings = list(dict.fromkeys(name.rsplit(".", 1)[-1] for name in names))
    problems = []
    for target in target_modules:
        if any(f".{name}".endswith(f".{target}") for name in names):
            continue
        near = get_close_matches(target, [*endings, *names], n=1, cutoff=0.5)
        problems.append(
            Problem(
                key="method.target_modules",
                got=f"{target!r}, which matches no linear layer of this base",
                allowed=f"all-linear, or ends of names such as {', '.join(endings[:12])}",
                do=f"write {near[0]}" if near else "remove it, or write one of these",
            )
        )
    if problems:
        raise ConfigError(problems)


def check_rank(model: Any, target_modules: str | Sequence[str], rank: int) -> None:
    """Whether each adapted layer has `rank` singular values, which PiSSA begins with.

    Raises:
        ConfigError: the smallest layer has fewer; or experts are named, whose weights are stacked.
    """
    wanted = None if isinstance(target_modules, str) else target_modules
    if wanted is not None and choose_targets(model, wanted).parameters:
        raise ConfigError(
            Problem(
                key="method.target_modules",
                got="experts with pissa, which has no start for stacked weights",
                allowed="linear layers outside of the experts with pissa",
                do="leave them out, or set method.type to lora",
            )
        )
    names = [
        name
        for name in list_linear_names(model)
        if wanted is None or any(f".{name}".endswith(f".{target}") for target in wanted)
    ]
    num_values, smallest = min((_count_values(model.get_submodule(name)), name) for name in names)
    if rank > num_values:
        raise ConfigError(
            Problem(
                key="method.rank",
                got=f"{rank} with pissa, where {smallest} has {num_values} singular values",
                allowed=f"at most {num_values}",
                do="lower it, or leave that layer out of method.target_modules",
            )
        )


def _count_values(layer: Any) -> int:
    """Singular values of a linear layer, also of one in four bits, whose own shape is flat."""
    state = getattr(layer.weight, "quant_state", None)
    return int(min(layer.weight.shape if state is None else state.shape))


def list_linear_names(model: Any) -> list[str]:
    """Names of the linear layers that can have adapters.

    Not the heads, which losses read as they are, nor what state-space kernels read raw.
    """
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    heads = [model.get_output_embeddings(), getattr(model, "score", None)]
    raw = _list_raw(model)
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, Linear | Conv1D) and module not in heads and name not in raw
    ]


def _list_raw(model: Any) -> set[str]:
    """Names of the projections of state-space layers, which have an `A_log`."""
    mixers = [name for name, module in model.named_modules() if hasattr(module, "A_log")]
    return {f"{mixer}.{name}" for mixer in mixers for name in _READ_RAW}


def list_expert_weights(model: Any) -> list[str]:
    """Names of the weights that hold all experts of a layer, shape (experts, out, in)."""
    return [
        name
        for name, parameter in model.named_parameters()
        if parameter.ndim == 3 and "expert" in name
    ]
