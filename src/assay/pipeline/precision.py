"""The recipe's number formats on this machine: of weights and of computation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assay.config import Recipe


@dataclass(frozen=True)
class Precision:
    """What `train.precision` comes to.

    `weights` is the format in which the base is loaded, "fp32" or "bf16"; adapters are always in
    fp32. `name` says what is computed in: "bf16" and "mixed" run the model under bf16 autocast.
    """

    name: Literal["fp32", "bf16", "mixed"]

    @property
    def weights(self) -> Literal["fp32", "bf16"]:
        return "bf16" if self.name == "bf16" else "fp32"


def choose_precision(recipe: Recipe, device_type: str | None = None) -> Precision:
    """`train.precision` on a device ("cpu", "cuda"; the GPU if there is one).

    "auto" is fp32 on a CPU, where it is exact; on a GPU bf16 for adapters, and mixed where the
    base's own weights change, which small steps in bf16 would not move.
    """
    import torch

    asked = recipe.train.precision
    if asked != "auto":
        return Precision(asked)
    if (device_type or ("cuda" if torch.cuda.is_available() else "cpu")) == "cpu":
        return Precision("fp32")
    return Precision("mixed" if recipe.method.trains_base else "bf16")
