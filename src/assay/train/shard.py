"""Spreads a model's weights over the ranks, layer by layer (FSDP2); it knows no objective.

Each decoder layer is gathered while it computes and given back after. What is outside of the layers
(embeddings, last norm, head) is gathered while `run_gathered` runs, since the loss reads the head's
weight itself. Adapters stay whole on every rank: they are small, every optimizer takes them, and
their checkpoints are those of one process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any, get_args

import torch
from torch import Tensor, nn

from assay.data.pack import BatchKind, PackedBatch
from assay.data.portions import split_batch
from assay.data.share import build_filler
from assay.errors import TrainingError
from assay.models.forward import is_packable
from assay.train.ranks import Ranks, is_sharded

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

    from assay.train.step import LossFunction

_RUN = "run_gathered"


def make_mesh(num_ranks: int, device: torch.device) -> DeviceMesh:
    """All ranks with a device of this kind each; collective."""
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh(device.type, (num_ranks,))


def shard_model(model: Any, *, mesh: DeviceMesh, whole_trainable: bool) -> None:
    """Spread the weights of a causal language model over `mesh`, in place; not collective.

    With `whole_trainable` the trainable weights are left whole; else they are spread too, with
    their gradients and optimizer state. Gradients are summed over the ranks.

    Raises:
        TrainingError: the model has no list of decoder layers.
    """
    from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

    trainable = {p for p in model.parameters() if p.requires_grad}
    kept = trainable if whole_trainable else set()
    for parameter in kept:
        parameter.data = parameter.data.to(mesh.device_type)
    for layer in find_layers(model):
        fully_shard(layer, mesh=mesh, ignored_params=kept)
    fully_shard(model, mesh=mesh, ignored_params=kept)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            # Gloo knows neither averages nor scaled sums; a step divides by its weight once.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
    setattr(model, _RUN, MethodType(_call, model))
    register_fsdp_forward_method(model, _RUN)


def is_spread(model: Any) -> bool:
    """Whether `shard_model` has spread the weights of `model`."""
    return hasattr(model, _RUN)


def find_layers(model: Any) -> list[nn.Module]:
    """The decoder layers of a causal language model: its longest list of modules.

    Raises:
        TrainingError: there is none.
    """
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    layers = max(lists, key=_count_weights, default=None)
    if layers is None:
        raise TrainingError(
            f"{type(model).__name__} has no list of layers, by which a model is spread over"
            " processes and checkpointed; use launch.processes=1 without checkpoint_layers, or"
            " choose another base"
        )
    return list(layers)


def level_batches(
    model: Any, batches: Sequence[PackedBatch], ranks: Ranks
) -> Sequence[PackedBatch]:
    """`batches` with fillers, so that all ranks have equally many of each kind, in one order.

    Where weights are spread, every pass of one rank needs the others; elsewhere nothing is added.
    A model that runs each sequence by itself gets each as a batch of its own.
    """
    if not is_spread(model):
        return batches
    if not is_packable(model):
        batches = [part for batch in batches for part in split_batch(batch, token_budget=1)]
    kinds: tuple[BatchKind, ...] = get_args(BatchKind)
    by_kind = [[batch for batch in batches if batch.kind == kind] for kind in kinds]
    most = ranks.max(*map(len, by_kind))
    return [
        batch
        for kind, own, number in zip(kinds, by_kind, most, strict=True)
        for batch in [*own, *[build_filler(kind)] * (number - len(own))]
    ]


def run_gathered(model: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    """``function(model, *arguments)`` while the weights outside of the layers are at hand.

    On a model that is not spread this is a plain call.
    """
    run = getattr(model, _RUN, None)
    if run is None:
        return function(model, *arguments)
    result = run(function, *arguments)
    if not torch.is_grad_enabled():
        # No backward pass comes that would, and until then the model shows gathered parameters.
        model.reshard()
    return result


class GatheredLoss:
    """`loss` on a model whose weights may be spread over the ranks."""

    def __init__(self, loss: LossFunction) -> None:
        self.loss = loss

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor:
        loss_sum: Tensor = run_gathered(model, self.loss, batch)
        return loss_sum


class GatheredStepLoss(GatheredLoss):
    """The same of a loss that begins each step by itself (`assay.train.step.BeginsStep`)."""

    def __init__(self, loss: Any) -> None:
        super().__init__(loss)
        self.begin_step = loss.begin_step


def lay_out_like(tensor: Tensor, model_tensor: Tensor) -> Tensor:
    """`tensor`, which every rank has whole, spread as `model_tensor` is, if that is spread."""
    if not is_sharded(model_tensor) or is_sharded(tensor):
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(model_tensor, DTensor)
    mesh = model_tensor.device_mesh
    tensor = tensor.to(mesh.device_type)
    return distribute_tensor(tensor, mesh, model_tensor.placements, src_data_rank=None)


def _call(model: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    return function(model, *arguments)


def _count_weights(layers: nn.ModuleList) -> int:
    return sum(parameter.numel() for parameter in layers.parameters())
