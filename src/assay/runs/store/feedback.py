"""What was said of stored completions: ratings, corrections, comments; they go with what they rate.

The table stands beside that of the completions, whose deletion takes it along.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from assay.runs.store.completions import feedback
from assay.runs.store.connect import Store
from assay.runs.store.pages import Page, read_page

FeedbackRow = Row[Any]
"""A row of `feedback`."""


def insert_feedback(store: Store, connection: Connection, **values: Any) -> None:
    """Add what was said; see `completions.feedback` for the columns."""
    connection.execute(insert(feedback).values(created_at=store.now(connection), **values))


def find_feedback(store: Store, feedback_id: str, project: str) -> FeedbackRow | None:
    """One of a project's; None where it has none of that id."""
    with store.read() as connection:
        return connection.execute(
            select(feedback).where(feedback.c.id == feedback_id, feedback.c.project == project)
        ).first()


def list_feedback(
    store: Store, project: str, *, completion_id: str | None, after: str | None, limit: int
) -> Page[FeedbackRow] | None:
    """A page of a project's, the newest first; None where `after` is none."""
    query = select(feedback).where(feedback.c.project == project)
    if completion_id is not None:
        query = query.where(feedback.c.completion_id == completion_id)
    with store.read() as connection:
        return read_page(connection, query, feedback, after=after, limit=limit)


def delete_feedback(store: Store, feedback_id: str, project: str) -> bool:
    """Take back what was said; False where the project has none of that id."""
    with store.write() as connection:
        gone = connection.execute(
            delete(feedback).where(feedback.c.id == feedback_id, feedback.c.project == project)
        )
    return gone.rowcount > 0
