"""The aliases of a store, as the catalog of inference asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.runs.store import Store
from assay.runs.store.alias_rules import ERRORS
from assay.runs.store.aliases import MoveRow, find_alias, list_aliases
from assay.serve.inference.alias import Alias
from assay.serve.lifecycle.watching import count_outcomes


@dataclass(frozen=True)
class StoredAliases:
    """Aliases of a store; a move is there at the next question, for every server of the store."""

    store: Store

    def find(self, name: str) -> Alias | None:
        row = find_alias(self.store, name)
        return None if row is None else _read(row)

    def list_all(self) -> Sequence[Alias]:
        return [_read(row) for row in list_aliases(self.store)]

    def fail(self, alias: Alias) -> None:
        count_outcomes(self.store, alias.model, alias, {ERRORS: 1})


def _read(row: MoveRow) -> Alias:
    return Alias(row.alias, row.model, row.id)
