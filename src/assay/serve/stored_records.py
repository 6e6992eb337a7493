"""The models that jobs made, as the catalog of inference asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.runs.store import Store
from assay.runs.store.aliases import list_pointing
from assay.runs.store.models import (
    SERVED,
    ModelRow,
    delete_model,
    find_model,
    list_all_checkpoints,
    list_models,
    locate_model,
)
from assay.runs.store.overrides import OVERRIDDEN
from assay.runs.store.owners import find_owner, find_users, list_users
from assay.serve.errors import ApiError, refuse
from assay.serve.inference.records import TunedRecord
from assay.serve.lifecycle.overriding import find_standing_reason


@dataclass(frozen=True)
class StoredRecords:
    """Tuned models and checkpoints of a store; what a worker adds is there at the next question."""

    store: Store

    def find(self, name: str) -> TunedRecord | None:
        row = find_model(self.store, name)
        return None if row is None else self._to_record(row)

    def list_released(self) -> Sequence[TunedRecord]:
        return [self._to_record(row) for row in list_models(self.store)]

    def list_checkpoints(self) -> Sequence[TunedRecord]:
        users = list_users(self.store)
        rows = list_all_checkpoints(self.store)
        return [self._to_record(row, users.get(row.id)) for row in rows]

    def delete(self, name: str, project: str | None) -> bool:
        """Forget a model, if it is the project's where one is named; False where there is none."""
        row = find_model(self.store, name)
        if row is None:
            return False
        with self.store.read() as connection:
            owner = find_owner(connection, row.job_id)
            pointing = [move.alias for move in list_pointing(connection, name)]
        if project not in (None, owner):
            told = f"{name} is of another project, whose keys, or an admin, may delete it."
            raise ApiError(403, told, code="not_your_model", param="model")
        if pointing:
            told = f"{', '.join(pointing)} points at {name}; move or remove it first."
            raise refuse(told, param="model", code="model_in_use")
        return delete_model(self.store, name)

    def _to_record(self, row: ModelRow, users: frozenset[str] | None = None) -> TunedRecord:
        is_checkpoint = row.checkpoint_id is not None
        if is_checkpoint and users is None:
            users = find_users(self.store, row.id)
        return TunedRecord(
            id=row.id,
            created=int(row.created_at),
            folder=locate_model(self.store, row),
            run=self.store.folder / row.run,
            is_released=row.state in SERVED,
            is_checkpoint=is_checkpoint,
            state=row.state,
            reason=find_standing_reason(self.store, row.id) if row.state == OVERRIDDEN else "",
            projects=users,
        )
