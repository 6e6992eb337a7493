"""What trades time for memory inside of a forward pass; results stay the same.

Each technique is switched on around the whole of a training. `step_per_layer`, which changes when
the optimizer moves, is part of the step itself (`assay.train.step`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from assay.errors import ConfigError, Problem
from assay.models.fast.kernels import compiled_kernels
from assay.models.fast.replaced import mark_same
from assay.train.shard import find_layers

MIN_OFFLOADED_BYTES = 1 << 20
"""Smaller activations stay where they are: moving them costs more than their room."""


@contextmanager
def techniques_on(model: Any, techniques: Collection[str]) -> Iterator[None]:
    """Train `model` with these techniques for a while; names that are not of this unit do nothing.

    Raises:
        ConfigError: offloading on a CPU, whose memory is where it would offload to.
    """
    with ExitStack() as stack:
        if "offload_activations" in techniques:
            device = next(model.parameters()).device
            check_offloading(device)
            stack.enter_context(activations_offloaded(model, torch.device("cpu")))
        if "compile" in techniques:
            stack.enter_context(compiled_kernels())
        if "checkpoint_layers" in techniques:
            stack.enter_context(layers_checkpointed(model))
        yield


def check_offloading(device: torch.device) -> None:
    """Whether activations can be moved off `device`.

    Raises:
        ConfigError: it is a CPU.
    """
    if device.type == "cpu":
        raise ConfigError(
            Problem(
                key="train.techniques",
                got="offload_activations on a CPU",
                allowed="offload_activations on a GPU: it moves activations to the CPU's memory",
                do="remove it; checkpoint_layers saves memory on a CPU",
            )
        )


@contextmanager
def layers_checkpointed(model: Any) -> Iterator[None]:
    """Keep only each decoder layer's input and compute the layer anew in the backward pass.

    The layer draws the same dropout again (Chen et al. 2016; PyTorch's non-reentrant form).
    """
    layers = find_layers(model)
    own = [vars(layer).get("forward") for layer in layers]
    for layer in layers:
        layer.forward = _checkpointed(layer.forward)
    try:
        yield
    finally:
        for layer, before in zip(layers, own, strict=True):
            del layer.forward
            if before is not None:
                layer.forward = before


def _checkpointed(forward: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(forward)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return mark_same(run)


@contextmanager
def activations_offloaded(
    model: Any, target: torch.device, *, min_bytes: int = MIN_OFFLOADED_BYTES
) -> Iterator[None]:
    """Keep what the backward pass needs on `target` in between, weights apart.

    From a GPU the copies go through pinned memory on the computing stream: the order of its work
    keeps them right, and the host does not wait for them.
    """
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def pack(tensor: Tensor) -> tuple[torch.device, Tensor]:
        is_weight = tensor.untyped_storage().data_ptr() in weights
        if is_weight or tensor.nbytes < min_bytes or type(tensor) not in (Tensor, nn.Parameter):
            return tensor.device, tensor
        pinned = tensor.is_cuda and target.type == "cpu"
        kept = torch.empty(tensor.shape, dtype=tensor.dtype, device=target, pin_memory=pinned)
        return tensor.device, kept.copy_(tensor, non_blocking=True)

    def unpack(packed: tuple[torch.device, Tensor]) -> Tensor:
        device, tensor = packed
        return tensor.to(device, non_blocking=True)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield
