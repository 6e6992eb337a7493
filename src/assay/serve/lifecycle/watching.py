"""Counts how answers went, and moves an alias back once too much of it went wrong."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from assay.runs.store import Store, add_tallies, read_tallies
from assay.runs.store.alias_rules import RollbackRule, find_excess
from assay.runs.store.aliases import AUTOMATIC, LOCK, STAY, MoveRow, find_alias, roll_back
from assay.runs.store.events import insert_event
from assay.runs.store.tables import models
from assay.serve.inference.alias import Alias

log = logging.getLogger("assay.serve")
ACTOR = "rule"
"""Who moves an alias by itself."""


def count_outcomes(
    store: Store, model: str, alias: Alias | None, counts: Mapping[str, int]
) -> None:
    """Add `counts` to the model's, and to those of the alias since its last move."""
    add_tallies(store, model, counts)
    if alias is not None and alias.move:
        add_tallies(store, alias.move, counts)
        watch(store, alias.name)


def watch(store: Store, name: str) -> MoveRow | None:
    """Move an alias back if its rule says so; the move, where there was one.

    What is counted is of this alias since its last move alone, so that no model pays for another's
    faults.
    """
    move = find_alias(store, name)
    if move is None or not move.rule or move.kind == STAY:
        return None
    rule = RollbackRule(**move.rule)
    with store.read() as connection:
        since_s = store.now(connection) - rule.window_s
    found = find_excess(rule, read_tallies(store, move.id, since_s=since_s))
    if found is None:
        return None
    reason = (
        f"{found['cause'].replace('_', ' ')} {found['rate']:.0%} ({found['num']} of {found['of']}"
        f" answers in {rule.window_s:g} s), where {found['allowed']:.0%} is allowed"
    )
    with store.write() as connection:
        store.lock(connection, LOCK)
        return move_back(store, connection, move, reason=reason, evidence=found)


def move_back(
    store: Store, connection: Connection, move: MoveRow, *, reason: str, evidence: dict[str, Any]
) -> MoveRow | None:
    """Move an alias back from `move`, if it stands there still, with an event of that model's job.

    It is a part of a transaction that holds `LOCK`.
    """
    made = roll_back(
        store,
        connection,
        move.alias,
        actor=ACTOR,
        reason=reason,
        kind=AUTOMATIC,
        evidence=evidence,
        expected=move.id,
    )
    if made is not None:
        note_move(store, connection, made)
    return made


def note_move(store: Store, connection: Connection, move: MoveRow) -> None:
    """Say in the log, and as an event of the model's job, that an alias left a model."""
    if move.kind == STAY:
        told = f"{move.alias} should leave {move.previous}, and has nowhere to go back to"
    else:
        told = f"{move.alias} went back from {move.previous} to {move.model}"
    told = f"{told}: {move.reason}" if move.reason else told
    log.error("alias moved", extra={"model": move.previous, "reason": told})
    job_id = connection.execute(
        select(models.c.job_id).where(models.c.id == move.previous)
    ).scalar()
    if job_id is not None:
        data = {"alias": move.alias, "move": move.id, "evidence": move.evidence}
        insert_event(store, connection, str(job_id), told, level="warn", data=data)
