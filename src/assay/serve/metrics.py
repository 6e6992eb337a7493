"""What Prometheus reads of one server: its requests by route and status, and their time."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
JOB_STATES = (
    "validating_files",
    "queued",
    "running",
    "paused",
    "succeeded",
    "failed",
    "cancelled",
)


class Metrics:
    """The counters of one server, in a registry of its own, to which others may add theirs."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "assay_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.duration = Histogram(
            "assay_request_duration_seconds",
            "Time until the last byte of an answer.",
            ("method", "route"),
            registry=self.registry,
        )

        self.jobs = Gauge("assay_jobs", "Jobs by state.", ("status",), registry=self.registry)

    def observe(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count a request that ended."""
        self.requests.labels(method, route, str(status)).inc()
        self.duration.labels(method, route).observe(duration_s)

    def render(self, jobs: Mapping[str, int]) -> bytes:
        """The text that Prometheus reads, with the number of jobs in each state now."""
        for status in JOB_STATES:
            self.jobs.labels(status).set(jobs.get(status, 0))
        return generate_latest(self.registry)
