"""What a job is expected to take, and how fast earlier jobs of its base went."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Table, Text, delete, func, insert, select

from assay.runs.store.connect import Store
from assay.runs.store.tables import events, jobs, metadata

MOST_EARLIER = 10

job_estimates = Table(
    "job_estimates",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id"), primary_key=True),
    Column("estimate", JSON, nullable=False),
)


@dataclass(frozen=True)
class Pace:
    """Of earlier jobs, medians: tokens trained in a second, and seconds beside training."""

    tokens_per_s: float
    other_s: float
    num_jobs: int


def keep_estimate(store: Store, job_id: str, estimate: dict[str, Any]) -> None:
    """Put an estimate in place of the one before."""
    with store.write() as connection:
        connection.execute(delete(job_estimates).where(job_estimates.c.job_id == job_id))
        connection.execute(insert(job_estimates).values(job_id=job_id, estimate=estimate))


def find_estimate(store: Store, job_id: str) -> dict[str, Any] | None:
    """The estimate of a job, where there is one."""
    query = select(job_estimates.c.estimate).where(job_estimates.c.job_id == job_id)
    with store.read() as connection:
        found = connection.execute(query).scalar()
    return None if found is None else dict(found)


def read_pace(store: Store, base: str, kind: str) -> Pace | None:
    """How fast the last jobs of a base and a method went that trained to their end, if any did.

    Jobs that were begun more than once tell nothing of a job's time.
    """
    query = (
        select(jobs)
        .where(jobs.c.base == base, jobs.c.trained_tokens > 0, jobs.c.num_attempts == 0)
        .order_by(jobs.c.seq.desc())
        .limit(5 * MOST_EARLIER)
    )
    found: list[tuple[float, float]] = []
    with store.read() as connection:
        for row in connection.execute(query).all():
            if (row.method or {}).get("type") != kind or len(found) == MOST_EARLIER:
                continue
            of_job = events.c.job_id == row.id
            began, count = connection.execute(
                select(func.min(events.c.created_at), func.count()).where(
                    of_job, events.c.once == "started"
                )
            ).one()
            steps = connection.scalars(
                select(events.c.data).where(of_job, events.c.type == "metrics")
            )
            rates = [
                one["tokens_per_second"] for one in steps if one and one.get("tokens_per_second")
            ]
            if count and rates and row.finished_at is not None:
                rate = median(rates)
                other_s = max(0.0, row.finished_at - began - row.trained_tokens / rate)
                found.append((rate, other_s))
    if not found:
        return None
    return Pace(median(r for r, _ in found), median(s for _, s in found), len(found))
