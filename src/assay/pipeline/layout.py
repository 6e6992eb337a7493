"""Where the weights of a run on several processes lie: whole on each, or spread over all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assay.config.sections.method import QloraConfig
from assay.errors import ConfigError, Problem
from assay.pipeline.job import Job
from assay.pipeline.method import add_method
from assay.pipeline.precision import choose_precision

if TYPE_CHECKING:
    import torch

    from assay.train.ranks import Ranks

Weights = Literal["whole", "spread"]
WHOLE_SHARE = 0.6
"""Weights with their gradients and optimizer state stay whole up to this share of the memory."""
SPREAD_OPTIMIZERS = ("adamw", "lion", "schedule_free")
"""Those that step weights which are spread; the others need all of a matrix, or own its memory."""


@dataclass(frozen=True)
class Layout:
    """`weights` says how they lie and `reason` why, in one line."""

    weights: Weights
    reason: str

    @property
    def is_spread(self) -> bool:
        return self.weights == "spread"


ON_ONE_PROCESS = ("step_per_layer",)
"""Techniques that move weights before the processes have come together."""
REUSE = ("reuse_in_memory", "reuse_on_disk")
ON_ONE = Layout("whole", "on one process")


def choose_layout(
    job: Job, *, device: torch.device, num_local: int, asked: Weights | None = None
) -> Layout:
    """Whole where the weights, their gradients and optimizer state leave room, else spread.

    `num_local` processes share this machine's memory, on GPUs one GPU each.

    Raises:
        ConfigError: the weights are to be spread, and the method or optimizer cannot have that; or
            a run that was begun on one process has a technique for one alone.
    """
    _check_techniques(job)
    needed, memory = _compute_needed_bytes(job), _find_memory_bytes(device, num_local)
    weights: Weights = asked or ("whole" if needed <= WHOLE_SHARE * memory else "spread")
    room = f"{needed / 1e9:.1f} of {memory / 1e9:.1f} GB are needed on each process"
    if weights == "spread":
        _check_spread(job)
    return Layout(weights, f"weights {weights}: {'as asked' if asked else room}")


def load_trained(job: Job, layout: Layout, device: torch.device, ranks: Ranks) -> Any:
    """The base with the recipe's method on this rank, as a causal model, laid out as chosen.

    Where weights are spread, the ranks load in turns, so that the memory of a machine holds one
    whole model at a time.
    """
    import torch

    from assay.models.quantize import unwrap_packed
    from assay.train.shard import make_mesh, shard_model

    if not layout.is_spread:
        model = _load(job, device)
        ranks.copy_from_first(p for p in model.parameters() if p.requires_grad)
        return model
    mesh = make_mesh(ranks.num_ranks, device)
    for turn in range(ranks.num_ranks):
        if turn == ranks.rank:
            model = _load(job, torch.device("cpu"))
            unwrap_packed(model, device)
            shard_model(model, mesh=mesh, whole_trainable=not job.recipe.method.trains_base)
        ranks.wait()
    if not job.recipe.method.trains_base:
        ranks.copy_from_first(p for p in model.parameters() if p.requires_grad)
    return model


def _load(job: Job, device: torch.device) -> Any:
    from assay.models.base import load_model

    weights = choose_precision(job.recipe).weights
    wrapped = add_method(job, load_model(job.base, dtype=weights, device=device))
    return wrapped if job.recipe.method.trains_base else wrapped.get_base_model()


def _check_techniques(job: Job) -> None:
    for technique in ON_ONE_PROCESS:
        if technique in job.recipe.train.techniques:
            raise ConfigError(
                Problem(
                    key="train.techniques",
                    got=f"{technique} on several processes",
                    allowed=f"{technique} on one process",
                    do="go on with this run on one process",
                )
            )


def _check_spread(job: Job) -> None:
    method, train = job.recipe.method, job.recipe.train
    problems = []
    if job.recipe.objective.learns_from == "prompts":
        problems.append(
            Problem(
                key="objective.type",
                got="completions of a model whose weights are spread over processes",
                allowed="rollouts where each process holds all weights",
                do="set method to lora or qlora, or take machines with more memory",
            )
        )
    if isinstance(method, QloraConfig) and method.quantization == "int8":
        problems.append(
            Problem(
                key="method.quantization",
                got="int8 for weights that are spread over processes",
                allowed="nf4, or fp4",
                do="set it to nf4",
            )
        )
    if method.trains_base and train.optimizer not in SPREAD_OPTIMIZERS:
        problems.append(
            Problem(
                key="train.optimizer",
                got=f"{train.optimizer} for weights that are spread over processes",
                allowed=", ".join(SPREAD_OPTIMIZERS),
                do="set it to adamw",
            )
        )
    if method.trains_base and choose_precision(job.recipe).name == "bf16":
        problems.append(
            Problem(
                key="train.precision",
                got="bf16 for trained weights that are spread over processes",
                allowed="mixed, or fp32",
                do="set it to mixed",
            )
        )
    if "offload_activations" in train.techniques:
        problems.append(
            Problem(
                key="train.techniques",
                got="offload_activations, which cannot tell gathered weights from activations",
                allowed="checkpoint_layers where weights are spread over processes",
                do="write checkpoint_layers in its place",
            )
        )
    problems += [
        Problem(
            key="train.techniques",
            got=f"{technique}, whose passes end within the layers, for weights that are spread",
            allowed=f"{technique} where every process holds all weights",
            do="remove it",
        )
        for technique in REUSE
        if technique in train.techniques
    ]
    if problems:
        raise ConfigError(problems)


def _compute_needed_bytes(job: Job) -> float:
    """Bytes of weights, gradients and optimizer state on a process that holds all of them.

    Of adapters all that is little beside the base, and AdamW's two moments are the most that any
    optimizer keeps.
    """
    method, num_weights = job.recipe.method, count_stored_weights(job.base.folder)
    if isinstance(method, QloraConfig):
        return num_weights * (1.1 if method.quantization == "int8" else 0.6)
    size = 2 if choose_precision(job.recipe).weights == "bf16" else 4
    return num_weights * (2 * size + 8 if method.trains_base else size)


def count_stored_weights(folder: Path) -> int:
    """Weights in the safetensors files of a base, read from their headers."""
    from safetensors import safe_open

    total = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="np") as file:
            total += sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
    return total


def _find_memory_bytes(device: torch.device, num_local: int) -> float:
    import psutil
    import torch

    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    return float(psutil.virtual_memory().total) / num_local
