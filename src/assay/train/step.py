"""One optimizer step: forward and backward of its micro-batches, clipping, update. No bookkeeping.

The loss of a step is one weighted sum over all its supervised tokens, divided once by their total
weight, so that any split into micro-batches gives the same gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from assay.data.pack import PackedBatch
from assay.errors import ResourceError, TrainingError
from assay.train.memory import is_out_of_memory
from assay.train.mend import shortage_agreed
from assay.train.optimizer import Optimizer, list_parameters
from assay.train.phases import NO_PHASES, Phases
from assay.train.ranks import ALONE, Ranks, is_sharded
from assay.train.shard import is_spread, level_batches


class LossFunction(Protocol):
    """An objective: the weighted loss *sum* of a micro-batch, a float32 scalar with gradient."""

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor: ...


@runtime_checkable
class BeginsStep(Protocol):
    """A loss that reads something of a whole step before the losses of its micro-batches.

    Collective; without autograd, and it moves nothing.
    """

    def begin_step(
        self,
        model: Any,
        batches: Sequence[PackedBatch],
        *,
        precision: str = "fp32",
        ranks: Ranks = ALONE,
    ) -> None: ...


@dataclass(frozen=True)
class StepResult:
    """What one step did: mean loss per unit of weight, gradient norm before clipping, tokens."""

    loss: float
    grad_norm: float
    num_tokens: int
    loss_weight: float


def train_step(
    model: Any,
    batches: Sequence[PackedBatch],
    loss: LossFunction,
    optimizers: Sequence[Optimizer],
    *,
    max_grad_norm: float | None,
    precision: str = "fp32",
    step_in_backward: bool = False,
    after_micro_batch: Callable[[], None] | None = None,
    ranks: Ranks = ALONE,
    phases: Phases = NO_PHASES,
) -> StepResult:
    """Accumulate the gradient of `batches` and move the optimizers once.

    With `step_in_backward` each optimizer moves as soon as the last backward pass has its gradient,
    which is then dropped: the optimizers must be of one parameter each, and nothing is clipped.
    With several `ranks`, `batches` are this rank's share of the step's, and the result is of all.

    Raises:
        TrainingError: the loss or the gradient is not finite; the optimizer has not moved, or with
            `step_in_backward` not below the layer where it was found.
        ResourceError: memory ran out while the optimizers moved, so that the step cannot be redone.
        SharedShortage: memory ran out on one of the ranks; no weight has moved on any.
    """
    batches = level_batches(model, batches, ranks)
    (weight,) = ranks.sum(sum(batch.loss_weight for batch in batches))
    if weight <= 0:
        raise TrainingError("a step without a supervised token: every loss weight is 0")
    parameters = [p for p in model.parameters() if p.requires_grad]
    device = parameters[0].device
    used = [batch for batch in batches if batch.target_ids]
    total = torch.zeros((), dtype=torch.float64, device=device)
    in_backward = _StepInBackward(optimizers) if step_in_backward else None
    # Where weights are spread, a pass of one rank needs the others: they cannot agree within it.
    with shortage_agreed(ALONE if is_spread(model) else ranks):
        if isinstance(loss, BeginsStep):
            with phases("forward"):
                loss.begin_step(model, batches, precision=precision, ranks=ranks)
        for index, batch in enumerate(used):
            with phases("forward"), autocast(precision, device):
                loss_sum = loss(model, batch)
            total += loss_sum.detach()
            is_last = index == len(used) - 1
            with phases("backward"):
                if in_backward and is_last:
                    _check_finite(float(total) / weight, 0.0, optimizers)
                    in_backward.run(loss_sum / weight)
                else:
                    (loss_sum / weight).backward()  # type: ignore[no-untyped-call]
            if after_micro_batch:
                after_micro_batch()
    with phases("optimizer"):
        if in_backward:
            grad_norm = in_backward.grad_norm
        else:
            ranks.sum_gradients(parameters)
            grad_norm = _clip_gradients(parameters, max_grad_norm or math.inf)
        loss_total, num_tokens = ranks.sum(
            float(total), sum(b.num_tokens for b in batches if not b.is_filler)
        )
        if not in_backward:
            _check_finite(loss_total / weight, grad_norm, optimizers)
            _move(optimizers)
    return StepResult(loss_total / weight, grad_norm, int(num_tokens), weight)


class _StepInBackward:
    """A backward pass in which every parameter moves as soon as it has its gradient."""

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self.owners = {list_parameters(optimizer)[0]: optimizer for optimizer in optimizers}
        self.squares: list[Tensor] = []

    def run(self, loss: Tensor) -> None:
        try:
            with _hooks_on(self.owners, self._move):
                loss.backward()  # type: ignore[no-untyped-call]
        except (RuntimeError, MemoryError) as error:
            if not (self.squares and is_out_of_memory(error)):
                raise
            raise ResourceError(
                f"out of memory ({str(error).splitlines()[0]}) in a step of which some layers have"
                " moved: lower train.micro_batch_tokens, and resume from the checkpoint before"
            ) from error

    @property
    def grad_norm(self) -> float:
        return math.sqrt(float(torch.stack(self.squares).sum())) if self.squares else 0.0

    def _move(self, parameter: Tensor) -> None:
        assert parameter.grad is not None
        square = torch.linalg.vector_norm(parameter.grad, dtype=torch.float32).square()
        if not torch.isfinite(square):
            raise TrainingError(
                "a gradient is not finite; the layers above have moved already: resume from the"
                " checkpoint before, with a lower train.learning_rate or without step_per_layer"
            )
        self.squares.append(square.double())
        _move([self.owners[parameter]])  # type: ignore[index]


@contextmanager
def _hooks_on(parameters: Any, hook: Callable[[Tensor], None]) -> Iterator[None]:
    handles = [p.register_post_accumulate_grad_hook(hook) for p in parameters]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _move(optimizers: Sequence[Optimizer]) -> None:
    try:
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise ResourceError(
            f"out of memory while the optimizer moved ({str(error).splitlines()[0]}): set"
            " train.optimizer to adafactor or adamw_8bit, add step_per_layer to train.techniques,"
            " or tune with method lora; then resume from the checkpoint before"
        ) from error


def _check_finite(loss: float, grad_norm: float, optimizers: Sequence[Optimizer]) -> None:
    if math.isfinite(loss) and math.isfinite(grad_norm):
        return
    for optimizer in optimizers:
        optimizer.zero_grad()
    raise TrainingError(
        f"loss {loss} and gradient norm {grad_norm} are not both finite; the weights are those of"
        " the step before: lower train.learning_rate, or look at the rows of this step"
    )


def _clip_gradients(parameters: Sequence[torch.nn.Parameter], max_norm: float) -> float:
    """Scale the gradients down to `max_norm` together; returns their norm before.

    Norms of bfloat16 gradients are taken in float32: bfloat16 would round theirs to 8 bits.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients or is_sharded(gradients[0]):
        norm: Any = torch.nn.utils.clip_grad_norm_(parameters, max_norm, foreach=True)
        return float(norm.full_tensor() if is_sharded(norm) else norm)
    norms = torch._foreach_norm(gradients, 2, dtype=torch.float32)
    total = torch.linalg.vector_norm(torch.stack(norms))
    # Scaling by 1 would read and write every gradient for nothing; 1e-6 is in PyTorch's own factor.
    if not float(total) + 1e-6 <= max_norm:
        torch.nn.utils.clip_grads_with_norm_(parameters, max_norm, total, foreach=True)
    return float(total)


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 autocast for ``bf16`` and ``mixed``, which differ in how weights are held alone."""
    if precision in ("bf16", "mixed"):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
