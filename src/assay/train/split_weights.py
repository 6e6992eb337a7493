"""Trains bfloat16 weights without losing what bfloat16 cannot hold.

A bfloat16 weight has 8 significant bits: an update of less than 1/512 of it would round away, and
at the usual learning rates nearly all are. So each weight keeps the 16 lower bits of its float32
value beside it, as an integer: two bytes in place of the four of a float32 copy, exact where
stochastic rounding is noise, and the same on every run. Only while one weight is stepped does its
float32 value exist, so every optimizer works on it as on float32, with its state in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from assay.errors import CheckpointError
from assay.train.schedule_free import ScheduleFreeAdamW


def split_float(value: Tensor) -> tuple[Tensor, Tensor]:
    """A float32 tensor as its nearest bfloat16 (ties away from zero) and the int16 remainder.

    ``join_float`` of the two is `value`, bit for bit.
    """
    bits = value.view(torch.int32)
    high = (bits + 0x8000) >> 16
    low = (bits - (high << 16)).to(torch.int16)
    return high.to(torch.int16).view(torch.bfloat16), low


def join_float(high: Tensor, low: Tensor) -> Tensor:
    """The float32 tensor of which `split_float` made `high` (bfloat16) and `low` (int16)."""
    bits = (high.view(torch.int16).to(torch.int32) << 16) + low.to(torch.int32)
    return bits.view(torch.float32)


class SplitOptimizer:
    """An optimizer of one bfloat16 parameter that steps its float32 value.

    `build` makes the optimizer of float32 parameters. Has what the loop asks of an optimizer:
    groups, `step`, `zero_grad` and a state dict, in which the remainder is.
    """

    def __init__(
        self, parameter: nn.Parameter, build: Callable[[list[nn.Parameter]], torch.optim.Optimizer]
    ) -> None:
        self.parameter = parameter
        self.low = torch.zeros_like(parameter, dtype=torch.int16)
        self._wide = nn.Parameter(parameter.detach().float())
        self.inner = build([self._wide])
        self._release()

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return self.inner.param_groups

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameter by its gradient, if it has one."""
        if self.parameter.grad is None:
            return
        self._wide.data = join_float(self.parameter.data, self.low)
        self._wide.grad = self.parameter.grad.float()
        self.inner.step()
        high, self.low = split_float(self._wide.data)
        self.parameter.copy_(high)
        self._release()

    def zero_grad(self) -> None:
        self.parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        return {"inner": self.inner.state_dict(), "low": self.low}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what `state_dict` gave.

        Raises:
            CheckpointError: the state of weights that were not split.
        """
        if "low" not in state or state["low"].shape != self.low.shape:
            raise CheckpointError(
                "the checkpoint's optimizer is that of another precision; start a new run, or"
                " restore the recipe"
            )
        self.inner.load_state_dict(state["inner"])
        self.low = state["low"].to(self.low.device, copy=True)

    def list_parameters(self) -> list[Tensor]:
        """The parameter, where an average can be written to it."""
        return [self.parameter] if isinstance(self.inner, ScheduleFreeAdamW) else []

    @torch.no_grad()
    def show_average(self) -> None:
        """The parameter as the weights to be evaluated, where the optimizer averages them."""
        if isinstance(self.inner, ScheduleFreeAdamW):
            self._wide.data = join_float(self.parameter.data, self.low)
            self.inner.show_average()
            self.parameter.copy_(self._wide.data)
            self._release()

    def _release(self) -> None:
        """Drop the float32 value; the optimizer keeps the empty parameter to know its state by."""
        self._wide.data = self._wide.data.new_empty(0)
        self._wide.grad = None
