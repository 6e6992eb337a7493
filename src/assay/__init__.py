"""Assay fine-tunes open models on a user's own data, and releases only what passes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.pipeline import RunOutcome

__version__ = "0.1.0"

# On a CPU oneDNN, and PyTorch before it, keep a compiled product of about 1 MB for every shape met,
# up to 1,024 each, and packed batches bring new shapes at every step; 64 hold a micro-batch's.
# PyTorch reads the limits while it is loaded, so they are set before anything imports it.
for _limit in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(_limit, "64")


def run(recipe: str | Path, overrides: Sequence[str] = ()) -> RunOutcome:
    """Run a recipe to its verdict, as ``assay run`` does; see `assay.pipeline.run_recipe`."""
    from assay.pipeline import run_recipe

    return run_recipe(recipe, overrides)


def sweep(recipe: str | Path, overrides: Sequence[str] = ()) -> RunOutcome:
    """Run a recipe with a sweep, as ``assay sweep`` does; see `assay.pipeline.run_sweep`."""
    from assay.pipeline import run_sweep

    return run_sweep(recipe, overrides)


def __getattr__(name: str) -> ModuleType:
    """`assay.data` without an import of its own, loaded when it is asked for."""
    if name == "data":
        return import_module("assay.data")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
