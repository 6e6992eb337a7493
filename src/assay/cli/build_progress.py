"""How long work of the lab shows where it is: live on a terminal, plain lines elsewhere.

It writes to stderr, so that stdout holds the result alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.lab.build import BuildSettings

SECONDS_BETWEEN_LINES = 10.0
StageReport = Callable[[str, dict[str, Any]], None]
Show = Callable[[str, int, int, str], None]
"""Takes what is going on, steps done, steps in all, and figures as text."""


@contextmanager
def show_build(settings: BuildSettings) -> Iterator[StageReport]:
    """Gives the callback that `build_tiny` reports to: stage, loss, tokens/s, time left."""
    totals = {"pretrain": settings.pretrain_steps, "chat": settings.chat_steps}
    with _display() as show:

        def report(stage: str, record: dict[str, Any]) -> None:
            figures = f"loss {record['train/loss']:.3f}  {record['tokens_per_s']:,.0f} tokens/s"
            show(stage, int(record["step"]), totals[stage], figures)

        yield report


@contextmanager
def show_count() -> Iterator[Callable[..., None]]:
    """Gives a callback that takes a name and, where they are known, numbers done and in all."""
    with _display() as show:

        def report(name: str, done: int = 0, total: int = 0) -> None:
            show("measure" if total else f"drift: {name}", done, total, name if total else "")

        yield report


@contextmanager
def _display() -> Iterator[Show]:
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(console.file.write)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int, figures: str) -> None:
            if name not in tasks:
                # What was done before, in another sitting, must not count as speed.
                tasks[name] = progress.add_task(
                    name, total=total or None, completed=max(0, done - 1), figures=figures
                )
            progress.update(tasks[name], completed=done, figures=figures)

        yield show


class _Lines:
    """A line every ten seconds, and at each beginning and end."""

    def __init__(self, write: Callable[[str], Any]) -> None:
        self.write = write
        self.name = ""
        self.started_at = self.shown_at = 0.0
        self.started_from = 0

    def __call__(self, name: str, done: int, total: int, figures: str) -> None:
        now = time.monotonic()
        if name != self.name:
            self.name, self.started_at, self.started_from = name, now, done
        elif done < total and now - self.shown_at < SECONDS_BETWEEN_LINES:
            return
        self.shown_at = now
        count = f" {done}/{total}" if total else ""
        self.write(f"{name}{count}  {figures}{self._time_left(now, done, total)}\n")

    def _time_left(self, now: float, done: int, total: int) -> str:
        finished = done - self.started_from
        if finished <= 0 or done >= total:
            return ""
        left_s = (now - self.started_at) / finished * (total - done)
        return f"  {left_s / 60:.0f} min left" if left_s >= 60 else f"  {left_s:.0f} s left"
