"""What the server knows of tuned models by name: where they lie, and whether they may be served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class TunedRecord:
    """A tuned model or a checkpoint.

    Attributes:
        id: the name by which it is asked for.
        created: seconds since 1970.
        folder: of its weights.
        run: the folder of the run that made it; of a release the signed one.
        is_released: whether it may be served to all; a checkpoint is not.
        is_checkpoint: of a job, released or not.
        state: in the store's words: released, held, overridden or unreleased.
        reason: why an overridden one is served.
        projects: those that may use it; None for all. Admins may in any case.
    """

    id: str
    created: int
    folder: Path
    run: Path
    is_released: bool
    is_checkpoint: bool = False
    state: str = "released"
    reason: str = ""
    projects: frozenset[str] | None = None


class Records(Protocol):
    """All tuned models that are known."""

    def find(self, name: str) -> TunedRecord | None: ...
    def list_released(self) -> Sequence[TunedRecord]: ...
    def list_checkpoints(self) -> Sequence[TunedRecord]: ...
    def delete(self, name: str, project: str | None) -> bool: ...


class NoRecords:
    """No tuned model at all."""

    def find(self, name: str) -> TunedRecord | None:
        return None

    def list_released(self) -> Sequence[TunedRecord]:
        return []

    def list_checkpoints(self) -> Sequence[TunedRecord]:
        return []

    def delete(self, name: str, project: str | None) -> bool:
        return False
