"""Names that point at models: each move is a row, and the last one says where an alias points.

So a move is one insert, whole or not at all, and the history is the table itself. `below` is the
move to which going back leads, so that promotions lie on one another as on a stack.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Float,
    Integer,
    Row,
    Table,
    Text,
    func,
    insert,
    select,
)

from assay.errors import Problem, UsageError
from assay.runs.store.connect import Store
from assay.runs.store.ids import new_id
from assay.runs.store.models import SERVED, ModelRow
from assay.runs.store.pages import Page, read_page
from assay.runs.store.tables import metadata, models

MoveRow = Row[Any]
"""A row of `alias_moves`."""
PROMOTE, ROLLBACK, AUTOMATIC, STAY, REMOVE = "promote", "rollback", "automatic", "stay", "remove"
"""Kinds of moves: `automatic` is a rollback by a rule, and `stay` one that had nowhere to go."""
LOCK = "model lifecycle"
"""Under which whatever moves aliases, or decides which models are served, waits for the others."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}@[a-z0-9][a-z0-9._-]{0,31}")

alias_moves = Table(
    "alias_moves",
    metadata,
    Column(
        "seq",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("id", Text, nullable=False, unique=True),
    Column("alias", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("model", Text),
    Column("previous", Text),
    Column("below", Text),
    Column("rule", JSON(none_as_null=True)),
    Column("reason", Text, nullable=False),
    Column("evidence", JSON(none_as_null=True)),
    Column("actor", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    sqlite_autoincrement=True,
)


def is_alias(name: str) -> bool:
    """Whether `name` has the form of an alias: NAME@STAGE, in lower case."""
    return _NAME.fullmatch(name) is not None


def find_alias(store: Store, name: str) -> MoveRow | None:
    """The move that says where an alias points; None where there is none."""
    if not is_alias(name):
        return None
    with store.read() as connection:
        return find_standing(connection, name)


def find_standing(connection: Connection, name: str) -> MoveRow | None:
    """The same within a transaction."""
    query = select(alias_moves).where(alias_moves.c.alias == name)
    row = connection.execute(query.order_by(alias_moves.c.seq.desc()).limit(1)).first()
    return None if row is None or row.model is None else row


def list_aliases(store: Store) -> list[MoveRow]:
    """The standing move of every alias, by name."""
    last = select(func.max(alias_moves.c.seq)).group_by(alias_moves.c.alias)
    query = select(alias_moves).where(alias_moves.c.seq.in_(last), alias_moves.c.model.is_not(None))
    with store.read() as connection:
        return list(connection.execute(query.order_by(alias_moves.c.alias)))


def list_moves(store: Store, name: str, *, after: str | None, limit: int) -> Page[MoveRow] | None:
    """A page of an alias's history, the newest first; None where `after` is no move."""
    query = select(alias_moves).where(alias_moves.c.alias == name)
    with store.read() as connection:
        return read_page(connection, query, alias_moves, after=after, limit=limit)


def list_pointing(connection: Connection, model: str) -> list[MoveRow]:
    """The standing moves of aliases that point at `model`."""
    last = select(func.max(alias_moves.c.seq)).group_by(alias_moves.c.alias)
    query = select(alias_moves).where(alias_moves.c.seq.in_(last), alias_moves.c.model == model)
    return list(connection.execute(query.order_by(alias_moves.c.alias)))


def promote(
    store: Store,
    name: str,
    model: str,
    *,
    actor: str,
    reason: str = "",
    choose_rule: Callable[[dict[str, Any] | None], dict[str, Any]],
) -> MoveRow:
    """Point an alias at a released model, and make it where there is none.

    One that points there already, under the same rule, is left as it is: a repeated request moves
    nothing.

    Args:
        actor: who moves it, for the history.
        choose_rule: gives the rule for rolling back, of the one that stood before (None: none).

    Raises:
        UsageError: no such model, one that is not released, or a name of another form.
    """
    _check_name(name)
    with store.write() as connection:
        store.lock(connection, LOCK)
        _check_model(connection, model)
        last = find_standing(connection, name)
        rule = choose_rule(last.rule if last is not None else None)
        if last is not None and last.model == model and last.rule == rule:
            return last
        # The same model under another rule lies on nothing new.
        below = (
            last.below if last is not None and last.model == model else getattr(last, "id", None)
        )
        return _insert(
            store,
            connection,
            alias=name,
            kind=PROMOTE,
            model=model,
            previous=getattr(last, "model", None),
            below=below,
            rule=rule,
            reason=reason,
            actor=actor,
        )


def roll_back(
    store: Store,
    connection: Connection,
    name: str,
    *,
    actor: str,
    reason: str,
    kind: str = ROLLBACK,
    evidence: dict[str, Any] | None = None,
    expected: str | None = None,
) -> MoveRow | None:
    """Point an alias where it pointed before its last promotion, past models that are gone since.

    It is a part of a transaction that holds `LOCK`, with whatever else must be true of it.

    Args:
        kind: ROLLBACK, or AUTOMATIC: that one, where nothing is below, stays and is noted so.
        expected: the standing move that it must still be; else nothing is moved. Of many who find
            the same fault one moves the alias.

    Returns:
        The move; None where there is no such alias, or it has moved since.

    Raises:
        UsageError: ROLLBACK, and there is nothing to go back to.
    """
    last = find_standing(connection, name)
    if last is None or (expected is not None and last.id != expected):
        return None
    target = _find_below(connection, last)
    if target is None and kind != AUTOMATIC:
        got = f"{name}, which pointed at no other model that is served still"
        raise UsageError(Problem(got, do="promote another model", key="alias"))
    return _insert(
        store,
        connection,
        alias=name,
        kind=kind if target is not None else STAY,
        model=target.model if target is not None else last.model,
        previous=last.model,
        below=target.below if target is not None else None,
        rule=last.rule,
        reason=reason,
        evidence=evidence,
        actor=actor,
    )


def remove_alias(store: Store, name: str, *, actor: str) -> bool:
    """Let an alias point nowhere; its history stays. False where there is no such alias."""
    with store.write() as connection:
        store.lock(connection, LOCK)
        last = find_standing(connection, name)
        if last is None:
            return False
        remove_in(store, connection, last, actor=actor, reason="")
        return True


def remove_in(
    store: Store, connection: Connection, move: MoveRow, *, actor: str, reason: str
) -> None:
    """The same within a transaction that holds `LOCK`; `move` is the standing one."""
    _insert(
        store,
        connection,
        alias=move.alias,
        kind=REMOVE,
        previous=move.model,
        reason=reason,
        actor=actor,
    )


def _find_below(connection: Connection, move: MoveRow) -> MoveRow | None:
    """The next move down whose model is another one, and served still."""
    below = move.below
    while below is not None:
        row = connection.execute(select(alias_moves).where(alias_moves.c.id == below)).one()
        found = _find_model(connection, row.model)
        if row.model != move.model and found is not None and found.state in SERVED:
            return row
        below = row.below
    return None


def _check_name(name: str) -> None:
    if not is_alias(name):
        allowed = "NAME@STAGE in lower case, such as support@prod"
        raise UsageError(Problem(f"the alias {name!r}", allowed, key="alias"))


def _check_model(connection: Connection, model: str) -> None:
    row = _find_model(connection, model)
    if row is None:
        got, do = f"no model {model!r}", "name a released model of this store"
    elif row.checkpoint_id is not None:
        got, do = f"the checkpoint {model}", "promote the model that its job released"
    elif row.state not in SERVED:
        got, do = f"{model}, which its gates hold", "promote another; an admin may override that"
    else:
        return
    raise UsageError(Problem(got, "a released model", do, key="model"))


def _find_model(connection: Connection, name: str | None) -> ModelRow | None:
    return connection.execute(select(models).where(models.c.id == name)).first()


def _insert(store: Store, connection: Connection, **values: Any) -> MoveRow:
    row = {"id": new_id("move_"), "created_at": store.now(connection), **values}
    connection.execute(insert(alias_moves).values(**row))
    return connection.execute(select(alias_moves).where(alias_moves.c.id == row["id"])).one()
