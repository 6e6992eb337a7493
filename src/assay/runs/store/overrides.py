"""Why held models are served all the same: who said so, when, and when it was taken back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Integer,
    Row,
    Table,
    Text,
    insert,
    select,
    update,
)

from assay.errors import Problem, UsageError
from assay.runs.store.aliases import LOCK, list_pointing, remove_in, roll_back
from assay.runs.store.connect import Store
from assay.runs.store.events import insert_event
from assay.runs.store.ids import new_id
from assay.runs.store.models import find_model
from assay.runs.store.pages import Page, read_page
from assay.runs.store.tables import metadata, models

OverrideRow = Row[Any]
"""A row of `model_overrides`."""
HELD, OVERRIDDEN = "held", "overridden"

overrides = Table(
    "model_overrides",
    metadata,
    Column(
        "seq",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("id", Text, nullable=False, unique=True),
    Column("model", Text, nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
    Column("revoked_by", Text),
    Column("revoke_reason", Text),
    sqlite_autoincrement=True,
)


def check_held(store: Store, model: str) -> None:
    """Refuse to override what is not held.

    Raises:
        UsageError: no such model, or one that needs none.
    """
    row = find_model(store, model)
    if row is None:
        got, do = f"no model {model!r}", "name a held model of this store"
    elif row.checkpoint_id is not None:
        got, do = f"the checkpoint {model}", "override the model that its job held"
    elif row.state not in (HELD, OVERRIDDEN):
        got, do = f"{model}, which is {row.state}", "leave it: nothing holds it"
    else:
        return
    raise UsageError(Problem(got, "a held model", do, key="model"))


def add_override(store: Store, model: str, *, actor: str, reason: str) -> OverrideRow:
    """Let a held model be served; one that is already keeps the reason that it has.

    Raises:
        UsageError: as `check_held`.
    """
    check_held(store, model)
    with store.write() as connection:
        store.lock(connection, LOCK)
        changed = connection.execute(
            update(models)
            .where(models.c.id == model, models.c.state == HELD)
            .values(state=OVERRIDDEN)
            .returning(models.c.job_id)
        ).first()
        if changed is not None:
            values = {
                "id": new_id("override_"),
                "model": model,
                "reason": reason,
                "actor": actor,
                "created_at": store.now(connection),
            }
            connection.execute(insert(overrides).values(**values))
            told = f"{model} is served although its gates held it: {reason}"
            data = {"override": values["id"], "actor": actor}
            insert_event(store, connection, changed.job_id, told, level="warn", data=data)
        return connection.execute(_of(model)).one()


def revoke_override(store: Store, model: str, *, actor: str, reason: str) -> OverrideRow | None:
    """Hold a model again; None where it was not overridden.

    Aliases that point at it go back in the same step, and are removed where they cannot.
    """
    with store.write() as connection:
        store.lock(connection, LOCK)
        changed = connection.execute(
            update(models)
            .where(models.c.id == model, models.c.state == OVERRIDDEN)
            .values(state=HELD)
            .returning(models.c.job_id)
        ).first()
        if changed is None:
            return None
        now_s = store.now(connection)
        connection.execute(
            update(overrides)
            .where(overrides.c.model == model, overrides.c.revoked_at.is_(None))
            .values(revoked_at=now_s, revoked_by=actor, revoke_reason=reason)
        )
        told = f"{model} is held again" + (f": {reason}" if reason else "")
        insert_event(store, connection, changed.job_id, told, level="warn", data={"actor": actor})
        for move in list_pointing(connection, model):
            why = f"the override of {model} was revoked"
            try:
                roll_back(store, connection, move.alias, actor=actor, reason=why)
            except UsageError:
                remove_in(store, connection, move, actor=actor, reason=why)
        return connection.execute(_of(model)).one()


def find_override(store: Store, model: str) -> OverrideRow | None:
    """The last override of a model, revoked or not."""
    with store.read() as connection:
        return connection.execute(_of(model)).first()


def list_overrides(store: Store, *, after: str | None, limit: int) -> Page[OverrideRow] | None:
    """A page of all overrides, the newest first; None where `after` is none."""
    with store.read() as connection:
        return read_page(connection, select(overrides), overrides, after=after, limit=limit)


def _of(model: str) -> Any:
    query = select(overrides).where(overrides.c.model == model)
    return query.order_by(overrides.c.seq.desc()).limit(1)
