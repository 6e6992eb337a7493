"""Webhooks: where events are told, and the outbox of what is to be told yet.

An event goes into the outbox in the transaction of what happened: neither is without the other.
Whoever delivers takes a delivery for a while; one that is not done by then is taken again, so each
is told at least once, by an id that stays the same.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    Row,
    Table,
    Text,
    insert,
    select,
    update,
)
from sqlalchemy import delete as delete_rows

from assay.runs.store.connect import Store
from assay.runs.store.ids import new_id
from assay.runs.store.owners import find_owner
from assay.runs.store.pages import Page, read_page
from assay.runs.store.tables import _id, _json, _seq, metadata

JOB_EVENT_TYPES = tuple(
    f"fine_tuning.job.{status}" for status in ("succeeded", "failed", "cancelled")
)
BATCH_EVENT_TYPES = tuple(
    f"batch.{status}" for status in ("completed", "failed", "cancelled", "expired")
)
EVAL_EVENT_TYPES = tuple(f"eval.run.{status}" for status in ("succeeded", "failed", "canceled"))
EVENT_TYPES = (*JOB_EVENT_TYPES, *BATCH_EVENT_TYPES, *EVAL_EVENT_TYPES)
"""Everything that is told."""
GIVE_UP_S = 72 * 3600.0
OLD_SECRET_S = 24 * 3600.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 5.0, 3600.0
_SECRET_BYTES = 32

endpoints = Table(
    "webhook_endpoints",
    metadata,
    _seq(),
    _id(),
    Column("project", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    # In clear: a signature needs the secret itself.
    Column("secret", Text, nullable=False),
    Column("old_secret", Text),
    Column("old_secret_until", Float),
    _json("event_types"),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    sqlite_autoincrement=True,
)

deliveries = Table(
    "webhook_deliveries",
    metadata,
    _seq(),
    _id(),
    Column("endpoint_id", Text, nullable=False, index=True),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("num_attempts", Integer, nullable=False),
    Column("not_before", Float, nullable=False),
    Index("webhook_deliveries_due", "not_before"),
    sqlite_autoincrement=True,
)

EndpointRow = Row[Any]
"""A row of `webhook_endpoints`."""


@dataclass(frozen=True)
class Delivery:
    """One event for one endpoint, taken to be told now; `attempt` counts from 1."""

    id: str
    event_id: str
    endpoint_id: str
    url: str
    secrets: tuple[str, ...]
    body: str
    attempt: int
    is_last: bool


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def insert_endpoint(store: Store, connection: Connection, **values: Any) -> EndpointRow:
    """Add an endpoint with a secret of its own: `project`, `name`, `url` and `event_types`."""
    now_s, identity = store.now(connection), new_id("wh_")
    connection.execute(
        insert(endpoints).values(
            id=identity, secret=new_secret(), created_at=now_s, updated_at=now_s, **values
        )
    )
    return connection.execute(select(endpoints).where(endpoints.c.id == identity)).one()


def find_endpoint(store: Store, identity: str, project: str) -> EndpointRow | None:
    """The endpoint of an id, if it is the project's."""
    with store.read() as connection:
        return connection.execute(select(endpoints).where(_is_own(identity, project))).first()


def list_endpoints(
    store: Store, project: str, *, after: str | None, limit: int
) -> Page[EndpointRow] | None:
    """A page of a project's endpoints, the newest first; None where `after` is none of them."""
    query = select(endpoints).where(endpoints.c.project == project)
    with store.read() as connection:
        return read_page(connection, query, endpoints, after=after, limit=limit)


def change_endpoint(store: Store, identity: str, project: str, **values: Any) -> EndpointRow | None:
    """Write columns of an endpoint; None where the project has none of that id."""
    with store.write() as connection:
        chosen = _is_own(identity, project)
        query = select(endpoints).where(chosen)
        row = connection.execute(query.with_for_update()).first()
        if row is not None and any(getattr(row, key) != value for key, value in values.items()):
            changed = {**values, "updated_at": store.now(connection)}
            connection.execute(update(endpoints).where(chosen).values(**changed))
        return connection.execute(query).first()


def rotate_secret(
    store: Store, identity: str, project: str, *, keep_old: bool
) -> EndpointRow | None:
    """Draw another secret; the one before it signs as well for a day where it is kept."""
    with store.write() as connection:
        query = select(endpoints).where(_is_own(identity, project))
        row = connection.execute(query.with_for_update()).first()
        if row is None:
            return None
        now_s = store.now(connection)
        connection.execute(
            update(endpoints)
            .where(endpoints.c.id == identity)
            .values(
                secret=new_secret(),
                old_secret=row.secret if keep_old else None,
                old_secret_until=now_s + OLD_SECRET_S if keep_old else None,
                updated_at=now_s,
            )
        )
        return connection.execute(query).one()


def delete_endpoint(store: Store, identity: str, project: str) -> bool:
    """Remove an endpoint and what it was to be told; False where the project has none such."""
    with store.write() as connection:
        gone = connection.execute(delete_rows(endpoints).where(_is_own(identity, project)))
        if gone.rowcount:
            connection.execute(delete_rows(deliveries).where(deliveries.c.endpoint_id == identity))
    return gone.rowcount > 0


def add_event(
    store: Store, connection: Connection, kind: str, subject: str, *, project: str
) -> None:
    """Put an event about `subject` into the outbox, for the project's endpoints of its kind."""
    query = select(endpoints).where(endpoints.c.project == project)
    told = [row for row in connection.execute(query) if kind in row.event_types]
    if not told:
        return
    event_id, now_s = new_id("evt_"), store.now(connection)
    body = render_event(event_id, kind, subject, now_s)
    connection.execute(
        insert(deliveries),
        [
            {
                "id": new_id("whd_"),
                "endpoint_id": row.id,
                "event_id": event_id,
                "type": kind,
                "body": body,
                "created_at": now_s,
                "num_attempts": 0,
                "not_before": now_s,
            }
            for row in told
        ],
    )


def add_job_event(store: Store, connection: Connection, job_id: str, status: str) -> None:
    """Put the end of a job into the outbox, for its own project's endpoints."""
    project = find_owner(connection, job_id)
    add_event(store, connection, f"fine_tuning.job.{status}", job_id, project=project)


def render_event(event_id: str, kind: str, subject: str, now_s: float) -> str:
    """An event as it is sent, letter for letter: the signature is of these."""
    event = {
        "id": event_id,
        "object": "event",
        "created_at": int(now_s),
        "type": kind,
        "data": {"id": subject},
    }
    return json.dumps(event, separators=(",", ":"))


def take_deliveries(store: Store, *, for_s: float, limit: int) -> Sequence[Delivery]:
    """Deliveries that are due, which nobody else takes for `for_s` seconds."""
    with store.read() as connection:
        due = select(deliveries.c.id).where(deliveries.c.not_before <= store.now(connection))
        if connection.execute(due.limit(1)).first() is None:
            return []
    with store.write() as connection:
        now_s = store.now(connection)
        query = select(deliveries).where(deliveries.c.not_before <= now_s)
        query = query.order_by(deliveries.c.seq).limit(limit).with_for_update(skip_locked=True)
        rows = connection.execute(query).all()
        named = select(endpoints).where(endpoints.c.id.in_({row.endpoint_id for row in rows}))
        known = {row.id: row for row in connection.execute(named)}
        for row in rows:
            connection.execute(
                update(deliveries)
                .where(deliveries.c.id == row.id)
                .values(not_before=now_s + for_s, num_attempts=row.num_attempts + 1)
            )
        return [_read_delivery(row, known[row.endpoint_id], now_s) for row in rows]


def end_delivery(store: Store, delivery: Delivery, *, told: bool) -> None:
    """Forget a delivery that was told, or whose time is over; else it waits for its next turn."""
    mine = (deliveries.c.id == delivery.id) & (deliveries.c.num_attempts == delivery.attempt)
    with store.write() as connection:
        if told or delivery.is_last:
            connection.execute(delete_rows(deliveries).where(mine))
            return
        wait_s = min(_FIRST_WAIT_S * 2.0 ** (delivery.attempt - 1), _LONGEST_WAIT_S)
        due = store.now(connection) + wait_s
        connection.execute(update(deliveries).where(mine).values(not_before=due))


def list_secrets(endpoint: EndpointRow, now_s: float) -> tuple[str, ...]:
    """The secrets that sign for an endpoint now, the newest first."""
    if endpoint.old_secret is not None and endpoint.old_secret_until > now_s:
        return endpoint.secret, endpoint.old_secret
    return (endpoint.secret,)


def _read_delivery(row: Row[Any], endpoint: EndpointRow, now_s: float) -> Delivery:
    return Delivery(
        id=row.id,
        event_id=row.event_id,
        endpoint_id=endpoint.id,
        url=endpoint.url,
        secrets=list_secrets(endpoint, now_s),
        body=row.body,
        attempt=row.num_attempts + 1,
        is_last=now_s - row.created_at >= GIVE_UP_S,
    )


def _is_own(identity: str, project: str) -> Any:
    return (endpoints.c.id == identity) & (endpoints.c.project == project)
