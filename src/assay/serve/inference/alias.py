"""Names that point at models, as inference asks for them; where they point is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Alias:
    """Where an alias points: at `model`, since the move of the id `move`; "" of a name that lasts
    as long as the server."""

    name: str
    model: str
    move: str


class Aliases(Protocol):
    """All aliases that are known."""

    def find(self, name: str) -> Alias | None: ...
    def list_all(self) -> Sequence[Alias]: ...
    def fail(self, alias: Alias) -> None:
        """Told when its model could not be served."""
        ...


class NoAliases:
    """No alias at all."""

    def find(self, name: str) -> Alias | None:
        return None

    def list_all(self) -> Sequence[Alias]:
        return []

    def fail(self, alias: Alias) -> None:
        """There is none."""
