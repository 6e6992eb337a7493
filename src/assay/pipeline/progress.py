"""What a run tells whoever watches it; the command draws it, and this unit never does."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol, TextIO

from assay.release.wording import duration

DRIFT = "drift/"
"""How the names of what the drift monitor reads begin."""


class Progress(Protocol):
    """Receives what happens; every call returns at once."""

    def stage(self, name: str, title: str) -> None:
        """A stage begins."""
        ...

    def note(self, text: str) -> None:
        """Lines that a person should read."""
        ...

    def count(self, what: str, done: int, total: int) -> None:
        """`done` of `total` items of the stage's work are finished; 0 is a total not known yet."""
        ...

    def step(self, record: dict[str, Any], num_steps: int) -> None:
        """A training step's metrics record; `candidate` in it says of which one of a sweep."""
        ...


class PlainProgress:
    """Progress as plain lines, at most one every `every_s` seconds within a stage."""

    def __init__(self, stream: TextIO | None = None, *, every_s: float = 5.0) -> None:
        self.stream = stream or sys.stderr
        self.every_s = every_s
        self._began: dict[str, tuple[float, int]] = {}
        self._last = 0.0

    def stage(self, name: str, title: str) -> None:
        self._began.clear()
        self._last = 0.0
        self._print(f"== {title}")

    def note(self, text: str) -> None:
        self._print(text)

    def count(self, what: str, done: int, total: int) -> None:
        left = self._time_left(what, done, total) if total else ""
        if done and self._is_due(0 < total <= done):
            of = f" of {total}" if total else ""
            self._print(f"   {what}: {done}{of}{left}")

    def step(self, record: dict[str, Any], num_steps: int) -> None:
        step = int(record["step"])
        left = self._time_left(record.get("candidate", "steps"), step, num_steps)
        if self._is_due(step >= num_steps or is_measured(record)):
            self._print(f"   {describe_step(record, num_steps)}{left}")

    def _print(self, text: str) -> None:
        self.stream.write(f"{text}\n")
        self.stream.flush()

    def _is_due(self, always: bool) -> bool:
        now = time.monotonic()
        if not always and now - self._last < self.every_s:
            return False
        self._last = now
        return True

    def _time_left(self, what: str, done: int, total: int) -> str:
        """By the rate since this sitting's first call: a resumed run does not begin at 0."""
        began, first = self._began.setdefault(what, (time.monotonic(), done))
        elapsed = time.monotonic() - began
        if not first < done < total or elapsed < 1:
            return ""
        return f", {duration(elapsed / (done - first) * (total - done))} left"


class SaidOnce:
    """Progress that passes a note on only the first time: what concerns many alike."""

    def __init__(self, to: Progress) -> None:
        self.to = to
        self._said: set[str] = set()

    def stage(self, name: str, title: str) -> None:
        self.to.stage(name, title)

    def note(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self.to.note(text)

    def count(self, what: str, done: int, total: int) -> None:
        self.to.count(what, done, total)

    def step(self, record: dict[str, Any], num_steps: int) -> None:
        self.to.step(record, num_steps)


def is_measured(record: dict[str, Any]) -> bool:
    """Whether a step's record has more than the step itself gave."""
    return any(name == "eval/loss" or name.startswith(DRIFT) for name in record)


def describe_step(record: dict[str, Any], num_steps: int) -> str:
    """One line of a training step: loss or reward, held-out and drift where measured, and rate."""
    which = f"{record['candidate']} " if "candidate" in record else ""
    parts = [f"{which}step {record['step']}/{num_steps}"]
    if "train/reward" in record:
        parts.append(f"reward {record['train/reward']:.3f}")
        if "eval/reward" in record:
            parts.append(f"held-out reward {record['eval/reward']:.3f}")
    else:
        parts.append(f"loss {record['train/loss']:.3f}")
        if "eval/loss" in record:
            parts.append(f"validation loss {record['eval/loss']:.3f}")
    parts += [
        f"{name.removeprefix(DRIFT).replace('_', ' ')} {value:.3g}"
        for name, value in record.items()
        if name.startswith(DRIFT)
    ]
    parts.append(f"{record['tokens_per_s']:,.0f} tokens/s")
    return ", ".join(parts)
