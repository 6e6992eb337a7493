"""A recipe through its stages, in order; only this unit and the command see the whole recipe.

The names below are imported when they are asked for: checking a recipe needs no data packages.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.pipeline.progress import PlainProgress, Progress
    from assay.pipeline.run import RunOutcome, resume_run, run_recipe, run_sweep

__all__ = ["PlainProgress", "Progress", "RunOutcome", "resume_run", "run_recipe", "run_sweep"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "progress" if name in ("PlainProgress", "Progress") else "run"
    return getattr(import_module(f"assay.pipeline.{module}"), name)
