"""Creates that a client sends again without saying so: one commit makes one thing.

OpenAI's client repeats a POST after a lost answer and marks it by ``x-stainless-retry-count``
alone. What it repeats is known by its fingerprint: key, route and content.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from assay.runs.atomic import canonical_json
from assay.runs.store.connect import Store
from assay.runs.store.tables import creates

WINDOW_S = 900.0
"""How long a repetition is known; the client waits for minutes at most."""


@dataclass(frozen=True)
class Attempt:
    """One sending of a create: what it asks, whether it is a repetition, and when it arrived."""

    fingerprint: str
    is_retry: bool
    arrived_at: float


def fingerprint(key_id: str, route: str, content: Any) -> str:
    """What two sendings of one request have in common, and no two requests of a user's have."""
    return hashlib.sha256(canonical_json([key_id, route, content])).hexdigest()


def find_created(store: Store, connection: Connection, attempt: Attempt) -> str | None:
    """The id of what another sending of the same request has made; None where this one is first.

    A repetition is answered by whatever was made before it; a first sending that took long, by what
    a repetition of it made meanwhile. Nobody else creates the same until the transaction ends.
    """
    store.lock(connection, attempt.fingerprint)
    earliest = store.now(connection) - WINDOW_S
    connection.execute(delete(creates).where(creates.c.created_at < earliest))
    query = select(creates.c.resource).where(creates.c.fingerprint == attempt.fingerprint)
    if not attempt.is_retry:
        meanwhile = creates.c.created_at >= attempt.arrived_at
        query = query.where(creates.c.is_retry == 1, meanwhile)
    found = connection.execute(query.order_by(creates.c.seq.desc()).limit(1)).scalar()
    return None if found is None else str(found)


def note_created(store: Store, connection: Connection, attempt: Attempt, resource: str) -> None:
    """Remember what this sending made; in the transaction that makes it."""
    connection.execute(
        insert(creates).values(
            fingerprint=attempt.fingerprint,
            resource=resource,
            is_retry=int(attempt.is_retry),
            created_at=store.now(connection),
        )
    )
