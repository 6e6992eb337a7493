"""Schedule-free AdamW (Defazio et al. 2024, algorithm 1): an average of weights for a schedule.

Three sequences of weights, written as in the paper: gradients are taken at y, steps are made by z,
and x, the average of the z, is what is evaluated and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor


class ScheduleFreeAdamW(torch.optim.Optimizer):
    """AdamW without first moment whose parameters are y; `average_weights` shows x.

    With a step's learning rate g (warm-up is in it), c its share of the squared peaks so far
    and u the gradient over the root of the second moment (bias-corrected) plus decay * y:
    ``y = lerp(y, z, c) + g * (b1 * (1 - c) - 1) * u`` and ``z -= g * u``, which is
    ``x = (1 - c) * x + c * z`` and ``y = (1 - b1) * z + b1 * x`` without storing x.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        counters = {"num_steps": 0, "peak": 0.0, "weight_sum": 0.0}
        super().__init__(params, defaults | counters)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            group["num_steps"] += 1
            group["peak"] = max(group["peak"], group["lr"])
            group["weight_sum"] += group["peak"] ** 2
            share = group["peak"] ** 2 / group["weight_sum"] if group["weight_sum"] else 0.0
            moved = [p for p in group["params"] if p.grad is not None]
            if moved:
                self._move(group, moved, share)

    def _move(self, group: dict[str, Any], moved: list[Tensor], share: float) -> None:
        for parameter in moved:
            state = self.state[parameter]
            if not state:
                state["z"] = parameter.clone()
                state["exp_avg_sq"] = torch.zeros_like(parameter)
        grads = [cast(Tensor, parameter.grad) for parameter in moved]
        z = [self.state[parameter]["z"] for parameter in moved]
        second = [self.state[parameter]["exp_avg_sq"] for parameter in moved]
        beta1, beta2 = group["betas"]
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, grads, grads, value=1 - beta2)
        denominator = torch._foreach_div(second, 1 - beta2 ** group["num_steps"])
        torch._foreach_sqrt_(denominator)
        torch._foreach_add_(denominator, group["eps"])
        updates = torch._foreach_div(grads, list(denominator))
        if group["weight_decay"]:
            torch._foreach_add_(updates, moved, alpha=group["weight_decay"])
        torch._foreach_lerp_(moved, z, share)
        torch._foreach_add_(moved, updates, alpha=group["lr"] * (beta1 * (1 - share) - 1))
        torch._foreach_sub_(z, updates, alpha=group["lr"])

    def list_parameters(self) -> list[Tensor]:
        """All parameters, whether they have moved or not."""
        return [p for group in self.param_groups for p in group["params"]]

    @torch.no_grad()
    def show_average(self) -> None:
        """Turn every y into ``x = lerp(y, z, 1 - 1 / b1)``; training goes on from y alone."""
        for group in self.param_groups:
            beta1 = group["betas"][0]
            for parameter in group["params"]:
                if "z" in self.state[parameter]:
                    parameter.lerp_(self.state[parameter]["z"], 1 - 1 / beta1)


@runtime_checkable
class Averaging(Protocol):
    """An optimizer whose parameters are not the weights to be evaluated."""

    def list_parameters(self) -> list[Tensor]:
        """What `show_average` writes to."""
        ...

    def show_average(self) -> None:
        """Put the weights to be evaluated in place of those trained at."""
        ...


def show_average(optimizers: Sequence[Any]) -> None:
    """Leave the weights to be evaluated in the model; training cannot go on from them."""
    for optimizer in optimizers:
        if isinstance(optimizer, Averaging):
            optimizer.show_average()


@contextmanager
def average_weights(optimizers: Sequence[Any]) -> Iterator[None]:
    """The weights to be evaluated for a while, then those trained at again, bit for bit.

    Optimizers without an average are left alone. Turning y into x and back by arithmetic would
    round, and a run that was measured more often would not be the same run.
    """
    averaging = [each for each in optimizers if isinstance(each, Averaging)]
    parameters = [p for each in averaging for p in each.list_parameters()]
    kept = [parameter.detach().clone() for parameter in parameters]
    show_average(averaging)
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, before in zip(parameters, kept, strict=True):
                parameter.copy_(before)
