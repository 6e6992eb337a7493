"""The phases of training by name, for whoever measures them; unwatched, they cost nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol

PhaseName = Literal["data", "forward", "backward", "optimizer", "evaluation", "drift", "checkpoint"]
PHASES: tuple[PhaseName, ...] = (
    "data",
    "forward",
    "backward",
    "optimizer",
    "evaluation",
    "drift",
    "checkpoint",
)


class Phases(Protocol):
    """Called at the start of each phase; the block is the phase."""

    def __call__(self, name: PhaseName) -> AbstractContextManager[Any]: ...


def NO_PHASES(name: PhaseName) -> AbstractContextManager[Any]:
    """Watches nothing."""
    return nullcontext()
