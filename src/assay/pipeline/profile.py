"""Measures a tuning by phase, on its real steps: time, processor time, memory, and a trace of some.

Watching costs a little itself: on a GPU each phase waits for its work to end, and traced steps are
slower, so that a profiled run's tokens per second are below those of a plain one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.train.phases import PHASES, PhaseName

TRACED_STEPS = 2
"""Steps in the trace; one before them warms up where there are more."""


@dataclass
class PhaseTotal:
    """What a phase took in all: calls, wall and processor seconds, and its most bytes held."""

    num_calls: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int | None = None


@dataclass
class PhaseMeter:
    """`assay.train.phases.Phases` that measures; ``with meter.running(…): …`` around the tuning."""

    num_steps: int = 0
    trace: Path | None = None
    totals: dict[PhaseName, PhaseTotal] = field(
        default_factory=lambda: {name: PhaseTotal() for name in PHASES}
    )
    started_s: float = field(default_factory=time.perf_counter)
    _profiler: Any = field(default=None, repr=False)

    @contextmanager
    def __call__(self, name: PhaseName) -> Iterator[None]:
        """One phase; a step ends with its optimizer."""
        import torch

        from assay.train.memory import read_peak_bytes, reset_peak

        device = _find_device()
        is_known = reset_peak(device)
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        with torch.profiler.record_function(f"assay/{name}"):
            yield
            if device.type == "cuda":
                torch.cuda.synchronize(device)
        total = self.totals[name]
        total.num_calls += 1
        total.wall_s += time.perf_counter() - wall_s
        total.cpu_s += time.process_time() - cpu_s
        peak = read_peak_bytes(device) if is_known else None
        if peak is not None:
            total.peak_bytes = max(peak, total.peak_bytes or 0)
        if name == "optimizer":
            self.num_steps += 1
            if self._profiler:
                self._profiler.step()

    @contextmanager
    def running(self, *, num_steps: int) -> Iterator[None]:
        """The tuning; some of its `num_steps` steps are traced to `trace`."""
        import torch

        warmup = 1 if num_steps > TRACED_STEPS else 0
        active = max(1, min(TRACED_STEPS, num_steps - warmup))
        schedule = torch.profiler.schedule(wait=0, warmup=warmup, active=active, repeat=1)
        with torch.profiler.profile(
            schedule=schedule,
            on_trace_ready=self._write,
        ) as self._profiler:
            yield
        self._profiler = None

    def summarize(self, *, num_tokens: int) -> dict[str, Any]:
        """The content of profile.json; `num_tokens` are the real tokens that were trained on.

        The clock began with this object. Seconds outside of every phase (loading, the self-test,
        the memory probe, saving) are ``other_s``.
        """
        wall_s = time.perf_counter() - self.started_s
        inside = sum(total.wall_s for total in self.totals.values())
        steps: tuple[PhaseName, ...] = ("forward", "backward", "optimizer")
        step_s = sum(self.totals[name].wall_s for name in steps)
        return {
            "device": str(_find_device()),
            "num_steps": self.num_steps,
            "num_tokens": num_tokens,
            "tokens_per_s": num_tokens / step_s if step_s else None,
            "wall_s": wall_s,
            "other_s": wall_s - inside,
            "phases": {name: vars(total) for name, total in self.totals.items()},
            "trace": self.trace.name if self.trace and self.trace.exists() else None,
        }

    def _write(self, profiler: Any) -> None:
        if self.trace:
            self.trace.parent.mkdir(parents=True, exist_ok=True)
            profiler.export_chrome_trace(str(self.trace))


def _find_device() -> Any:
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
