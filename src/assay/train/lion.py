"""Lion (Chen et al. 2023, algorithm 2): every weight moves by the sign of a momentum."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch


class Lion(torch.optim.Optimizer):
    """``w -= lr * (sign(b1 * m + (1 - b1) * g) + decay * w)``, then ``m = b2 * m + (1 - b2) * g``.

    Its state is one tensor of each weight's size and dtype, half of AdamW's.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            if not moved:
                continue
            grads = [p.grad for p in moved]
            for parameter in moved:
                self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
            momenta = [self.state[parameter]["momentum"] for parameter in moved]
            beta1, beta2 = group["betas"]
            updates = torch._foreach_lerp(grads, momenta, beta1)
            torch._foreach_sign_(updates)
            torch._foreach_mul_(moved, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(moved, updates, alpha=-group["lr"])
            torch._foreach_lerp_(momenta, grads, 1 - beta2)
