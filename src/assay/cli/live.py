"""A run's progress on the terminal: live bars where there is one, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from assay.pipeline.progress import PlainProgress, describe_step, is_measured

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from assay.pipeline.progress import Progress


@contextmanager
def open_progress(*, as_json: bool) -> Iterator[Progress]:
    """Live bars on a terminal; else plain lines on stderr, so that stdout holds the result."""
    if as_json or not sys.stderr.isatty():
        yield PlainProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}"),
        console=Console(stderr=True),
    )
    with bars:
        yield _LiveProgress(bars)


class _LiveProgress:
    """One bar for each kind of work; the notes scroll above."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def stage(self, name: str, title: str) -> None:
        for task in self.tasks.values():
            self.bars.update(task, visible=False)
        self.tasks.clear()
        self.bars.console.print(f"== {title}", style="bold", highlight=False, markup=False)

    def note(self, text: str) -> None:
        self.bars.console.print(text, highlight=False, markup=False)

    def count(self, what: str, done: int, total: int) -> None:
        self._update(what, done, total, "")

    def step(self, record: dict[str, Any], num_steps: int) -> None:
        detail = describe_step(record, num_steps).split(", ", 1)[1]
        self._update(record.get("candidate", "steps"), int(record["step"]), num_steps, detail)
        if is_measured(record):
            self.note(f"   {describe_step(record, num_steps)}")

    def _update(self, what: str, done: int, total: int, detail: str) -> None:
        if what not in self.tasks:
            self.tasks[what] = self.bars.add_task(f"   {what}", total=total or None, detail=detail)
        self.bars.update(self.tasks[what], completed=done, total=total or None, detail=detail)
