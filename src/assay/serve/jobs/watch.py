"""Tells a job's events while it runs: a `Progress` that writes into the store under the lease."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from assay.runs.store import Store
from assay.runs.store.estimates import find_estimate
from assay.runs.store.events import insert_event
from assay.runs.store.queue import Lease, holds, note
from assay.serve.jobs.estimate import update_duration
from assay.serve.jobs.live_export import LiveExport, begin_exports
from assay.serve.jobs.results import describe_step

_ESTIMATE_EVERY_S = 10.0


@dataclass
class JobProgress:
    """What a run tells, as events of its job; once the lease is lost nothing more is written."""

    store: Store
    lease: Lease
    _began: tuple[float, int] | None = None
    _estimated_at: float = field(default=0.0)
    _started_at: float = field(init=False)
    _exports: LiveExport | None = None
    _is_export_known: bool = False

    def __post_init__(self) -> None:
        self._started_at = time.monotonic()

    def stage(self, name: str, title: str) -> None:
        self.tell(title, once=f"stage {name}")

    def note(self, text: str) -> None:
        """Notes are for whoever reads the server's log: some name folders of this machine."""

    def count(self, what: str, done: int, total: int) -> None:
        """Counts are for a terminal."""

    def step(self, record: dict[str, Any], num_steps: int) -> None:
        data = describe_step(record, num_steps)
        loss = "reward" if "train_mean_reward" in data else "loss"
        value = data.get("train_mean_reward", data.get("train_loss"))
        message = f"Step {data['step']}/{num_steps}: training {loss}={value:.4f}"
        if "valid_loss" in data:
            message += f", validation loss={data['valid_loss']:.4f}"
        self.tell(message, kind="metrics", data=data, once=f"step {data['step']}")
        self._estimate(data["step"], num_steps)
        self._look_for_checkpoints()

    def stop_exports(self) -> None:
        """Let nobody else save checkpoints from now on."""
        if self._exports is not None:
            self._exports.stop()

    def _look_for_checkpoints(self) -> None:
        if self._exports is None and not self._is_export_known:
            self._exports, self._is_export_known = begin_exports(self.store, self.lease), True
        if self._exports is not None:
            self._exports.look()

    def tell(
        self,
        message: str,
        *,
        level: str = "info",
        kind: str = "message",
        data: dict[str, Any] | None = None,
        once: str | None = None,
    ) -> None:
        """Add an event, if the job is still held."""
        with self.store.write() as connection:
            if holds(connection, self.lease):
                insert_event(
                    self.store,
                    connection,
                    self.lease.job_id,
                    message,
                    level=level,
                    kind=kind,
                    data=data,
                    once=once,
                )

    def _estimate(self, step: int, num_steps: int) -> None:
        """When training ends, by the rate since this sitting's first step; what follows is short
        beside it, and is not counted."""
        now = time.monotonic()
        if self._began is None:
            self._began = (now, step)
        began, first = self._began
        if step <= first or now - self._estimated_at < _ESTIMATE_EVERY_S:
            return
        self._estimated_at = now
        left_s = (now - began) / (step - first) * (num_steps - step)
        finish = time.time() + left_s
        known = find_estimate(self.store, self.lease.job_id)
        if note(self.store, self.lease, estimated_finish=finish) and known is not None:
            update_duration(self.store, self.lease.job_id, known, now - self._started_at + left_s)
