"""Builds optimizers from PyTorch's own and well-kept libraries; no schedules, no steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import nn

from assay.config.optimizers import fill_settings, find_wrong_settings
from assay.config.sections.train import OptimizerName
from assay.errors import ConfigError, Problem
from assay.models.quantize import find_missing_optimizer_package, import_bitsandbytes
from assay.train.lion import Lion
from assay.train.schedule_free import ScheduleFreeAdamW
from assay.train.split_weights import SplitOptimizer

STATE_BYTES_PER_WEIGHT = {
    "adamw": 8,
    "adamw_8bit": 2,
    "paged_adamw_8bit": 0,
    "adafactor": 0,
    "lion": 4,
    "muon": 4,
    "schedule_free": 8,
}


class Optimizer(Protocol):
    """What the loop asks of an optimizer; `torch.optim.Optimizer` has it."""

    @property
    def param_groups(self) -> list[dict[str, Any]]: ...
    def step(self) -> Any: ...
    def zero_grad(self) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> None: ...


def build_optimizers(
    model: nn.Module,
    *,
    name: OptimizerName = "adamw",
    learning_rate: float,
    matrix_learning_rate: float | None = None,
    apart: bool = False,
    get_factor: Callable[[str], float] = lambda name: 1.0,
    **settings: Any,
) -> list[Optimizer]:
    """Optimizers over the trainable parameters of `model`, in the order of their names.

    `settings` are those of `assay.config.optimizers`. Only matrices decay: norms and biases are
    exempt. With ``muon`` (Jordan et al. 2024) the hidden matrices get Muon at
    `matrix_learning_rate`, scaled to match AdamW's update size (Liu et al. 2025), and embeddings,
    head and vectors AdamW. Each parameter group remembers its peak as ``peak_learning_rate``.

    `get_factor` gives, by a parameter's name, the multiple of the learning rate it is stepped with.
    bfloat16 parameters are stepped in float32 (`assay.train.split_weights`), each by an optimizer
    of its own, as all are with `apart`; that changes nothing but memory.

    Raises:
        ConfigError: a package or device that this optimizer needs is not there; a setting that it
            does not have, or that is out of range.
    """
    named = [(n, p) for n, p in sorted(model.named_parameters()) if p.requires_grad]
    check_optimizer(name, named[0][1].device if named else torch.device("cpu"))
    complete = _complete(name, settings)
    optimizers: list[Optimizer] = []
    for factor in sorted({get_factor(n) for n, _ in named}):
        alike = [(n, p) for n, p in named if get_factor(n) == factor]
        is_matrix = {n: name == "muon" and p.ndim == 2 and not _is_table(n) for n, p in alike}
        build_rest = partial(
            _build,
            "adamw" if name == "muon" else name,
            learning_rate=learning_rate * factor,
            settings=complete,
        )
        build_matrices = partial(
            _build,
            "muon",
            learning_rate=(matrix_learning_rate or learning_rate) * factor,
            settings=complete,
        )
        rest = [p for n, p in alike if not is_matrix[n]]
        matrices = [p for n, p in alike if is_matrix[n]]
        optimizers += _build_all(rest, build_rest, apart=apart)
        optimizers += _build_all(matrices, build_matrices, apart=apart)
    return optimizers


def set_learning_rate(optimizers: Sequence[Optimizer], factor: float) -> float:
    """Set every group to `factor` times its peak; returns the first group's learning rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_learning_rate"] * factor
    return float(optimizers[0].param_groups[0]["lr"])


def list_parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    """The model's parameters that an optimizer moves."""
    if isinstance(optimizer, SplitOptimizer):
        return [optimizer.parameter]
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def estimate_state_bytes(name: str, parameters: Sequence[nn.Parameter]) -> int:
    """About how many bytes the first step of an optimizer will take and keep.

    Adafactor's factored moments and what is paged out are next to nothing.
    """
    return sum(STATE_BYTES_PER_WEIGHT[name] * parameter.numel() for parameter in parameters)


def check_optimizer(name: str, device: torch.device) -> None:
    """Whether an optimizer can be had here.

    Raises:
        ConfigError: its package is not installed, or `device` has no memory to page from.
    """
    missing = find_missing_optimizer_package(name)
    if missing:
        raise ConfigError(missing)
    if name == "paged_adamw_8bit" and device.type == "cpu":
        raise ConfigError(
            Problem(
                key="train.optimizer",
                got="paged_adamw_8bit on a CPU",
                allowed="paged_adamw_8bit on a GPU, whose memory its state is paged out of",
                do="set it to adamw_8bit",
            )
        )


def _complete(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """The settings with every default filled in."""
    plain = {key: list(v) if isinstance(v, tuple) else v for key, v in given.items()}
    wrong = [
        Problem(key=f"train.optimizer_settings.{key}", got=str(given[key]), allowed=allowed)
        for key, allowed in find_wrong_settings(name, plain)
    ]
    if wrong:
        raise ConfigError(wrong)
    return fill_settings(name, plain)


Build = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


def _build_all(parameters: list[nn.Parameter], build: Build, *, apart: bool) -> list[Optimizer]:
    """One optimizer of all `parameters`, or one of each; bfloat16 ones apart in any case."""
    whole = [p for p in parameters if p.dtype != torch.bfloat16]
    portions = [[p] for p in whole] if apart else [whole]
    split = [p for p in parameters if p.dtype == torch.bfloat16]
    return [
        *(build(portion) for portion in portions if portion),
        *(SplitOptimizer(parameter, build) for parameter in split),
    ]


def _build(
    name: str, parameters: list[nn.Parameter], *, learning_rate: float, settings: dict[str, Any]
) -> torch.optim.Optimizer:
    """The optimizer of `parameters`, all float32, whose groups remember their peak."""
    groups = [
        {
            "params": [p for p in parameters if p.ndim >= 2],
            "weight_decay": settings["weight_decay"],
        },
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    optimizer = _KINDS[name](groups, learning_rate, settings)
    for group in optimizer.param_groups:
        group["peak_learning_rate"] = group["lr"]
    return optimizer


def _build_adamw(groups: Any, learning_rate: float, settings: dict[str, Any]) -> Any:
    return torch.optim.AdamW(groups, lr=learning_rate, **_moments(settings), fused=True)


def _build_adamw_8bit(groups: Any, learning_rate: float, settings: dict[str, Any]) -> Any:
    """State in blocks of 256 values of 8 bits (Dettmers et al. 2022); below 4,096 values in 32."""
    import_bitsandbytes()
    from bitsandbytes.optim import AdamW8bit

    return AdamW8bit(groups, lr=learning_rate, **_moments(settings))


def _build_paged_adamw_8bit(groups: Any, learning_rate: float, settings: dict[str, Any]) -> Any:
    """As in 8 bits; the driver moves the state to the host's memory when the GPU's is full."""
    import_bitsandbytes()
    from bitsandbytes.optim import PagedAdamW8bit

    return PagedAdamW8bit(groups, lr=learning_rate, **_moments(settings))


def _build_adafactor(groups: Any, learning_rate: float, settings: dict[str, Any]) -> Any:
    from transformers.optimization import Adafactor

    return Adafactor(
        groups,
        lr=learning_rate,
        beta1=settings["momentum"] or None,
        decay_rate=settings["decay_rate"],
        clip_threshold=settings["clip_threshold"],
        # The second is read only where steps are relative to the weights.
        eps=(settings["epsilon"], 1e-3),
        scale_parameter=False,
        relative_step=False,
    )


def _build_lion(groups: Any, learning_rate: float, settings: dict[str, Any]) -> Any:
    return Lion(groups, lr=learning_rate, betas=tuple(settings["betas"]))


def _build_muon(groups: Any, learning_rate: float, settings: dict[str, Any]) -> Any:
    return torch.optim.Muon(
        groups,
        lr=learning_rate,
        momentum=settings["momentum"],
        adjust_lr_fn="match_rms_adamw",
    )


def _build_schedule_free(groups: Any, learning_rate: float, settings: dict[str, Any]) -> Any:
    return ScheduleFreeAdamW(groups, lr=learning_rate, **_moments(settings))


_KINDS: dict[str, Callable[[Any, float, dict[str, Any]], torch.optim.Optimizer]] = {
    "adamw": _build_adamw,
    "adamw_8bit": _build_adamw_8bit,
    "paged_adamw_8bit": _build_paged_adamw_8bit,
    "adafactor": _build_adafactor,
    "lion": _build_lion,
    "muon": _build_muon,
    "schedule_free": _build_schedule_free,
}


def _moments(settings: dict[str, Any]) -> dict[str, Any]:
    return {"betas": tuple(settings["betas"]), "eps": settings["epsilon"]}


def _is_table(name: str) -> bool:
    return "embed" in name or "lm_head" in name
