"""Measures a trainer from the outside, the same way for every one: it imports torch alone.

The clock runs from the first training forward to the last optimizer step; PyTorch's global hooks
tell of both. The losses are those that backward was called on, the gradient norms those that
clipping found, so that no trainer's logging and rounding comes in between.
"""

from __future__ import annotations

import json
import math
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

MARK = "BENCHMARK-RESULT "


def read_spec() -> dict[str, Any]:
    """The specification given on the command line; one thread, whatever the machine has."""
    torch.set_num_threads(1)
    spec: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    return spec


def read_rows(spec: dict[str, Any]) -> list[dict[str, list[int]]]:
    with open(spec["data"], encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


class Meter:
    """Create it after the trainer's imports and before it builds anything.

    Without `watch_steps` the trainer's own loop says when it begins and when a step is over, by
    `start` and `stepped`: one that runs layers by other calls than their own is not seen to begin.
    """

    def __init__(self, spec: dict[str, Any], *, watch_steps: bool = True) -> None:
        self.spec = spec
        self.created = _now()
        self.started: tuple[float, float] | None = None
        self.steps: list[tuple[float, float]] = []
        self.losses: list[float] = []
        self.grad_norms: list[float] = []
        self.batches: list[tuple[int, int]] = []
        self._loss = 0.0
        self._norm: float | None = None
        if watch_steps:
            self._forward_hook = register_module_forward_pre_hook(self._before_forward)
            register_optimizer_step_pre_hook(self._before_step)
            register_optimizer_step_post_hook(self._after_step)
            self._watch_backward()
            self._watch_clipping()

    def start(self) -> None:
        self.started = _now()

    def stepped(self, loss: float, grad_norm: float) -> None:
        """Note that a step is over, with its mean loss and the gradient's norm before clipping."""
        self.steps.append(_now())
        self.losses.append(loss)
        self.grad_norms.append(grad_norm)

    def saw(self, num_tokens: int, num_labels: int) -> None:
        """Note what the next batch holds, where a trainer forms its batches itself."""
        self.batches.append((num_tokens, num_labels))

    def watch_collator(self, collate: Any) -> Any:
        """`collate` that notes the real tokens and the labels of every batch it makes."""

        def collate_and_note(rows: Any) -> Any:
            batch = collate(rows)
            flat = [row for r in rows for row in (r if isinstance(r, list) else [r])]
            labels = int((batch["labels"] != -100).sum())
            self.saw(sum(map(_count_real_tokens, flat)), labels)
            return batch

        return collate_and_note

    def print_result(self, *packages: str, **more: Any) -> None:
        """Print one line that the driver reads; `packages` are reported with their versions."""
        if self.started is None or not self.steps:
            raise RuntimeError("no training step was seen")
        cpu_s, wall_s = (b - a for a, b in zip(self.started, self.steps[-1], strict=True))
        seen = (self.batches or self._count_batches())[: len(self.steps)]
        num_tokens = sum(tokens for tokens, _ in seen)
        first_cpu_s, first_s = (b - a for a, b in zip(self.created, self.steps[0], strict=True))
        result = {
            "num_steps": len(self.steps),
            "num_tokens": num_tokens,
            "num_labels": sum(labels for _, labels in seen),
            "labels_by_step": [labels for _, labels in seen],
            "cpu_s": cpu_s,
            "wall_s": wall_s,
            "tokens_per_cpu_s": num_tokens / cpu_s,
            "tokens_per_s": num_tokens / wall_s,
            "time_to_first_step_s": first_s,
            "time_to_first_step_cpu_s": first_cpu_s,
            "peak_rss_mb": _peak_rss_mb(),
            "losses": self.losses,
            "grad_norms": self.grad_norms,
            "versions": _versions("torch", *packages),
        }
        print(MARK + json.dumps(result | more), flush=True)

    def _count_batches(self) -> list[tuple[int, int]]:
        """Tokens and labels of the batches of a loop that takes the rows in the file's order."""
        rows, size = read_rows(self.spec), self.spec["batch_size"]
        counts = [
            (len(row["input_ids"]), sum(label != -100 for label in row["labels"])) for row in rows
        ]
        steps = [counts[i : i + size] for i in range(0, len(counts), size)]
        return [(sum(t for t, _ in step), sum(n for _, n in step)) for step in steps]

    def _before_forward(self, module: Any, args: Any) -> None:
        if module.training and torch.is_grad_enabled():
            self._forward_hook.remove()
            self.started = _now()

    def _before_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if self._norm is None:  # the trainer does not clip: the norm it would have found
            gradients = [p.grad for g in optimizer.param_groups for p in g["params"]]
            norms = [g.float().norm() for g in gradients if g is not None]
            self._norm = float(torch.stack(norms).norm())
        self.grad_norms.append(self._norm)
        self.losses.append(self._loss)
        self._loss, self._norm = 0.0, None

    def _after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        self.steps.append(_now())

    def _watch_backward(self) -> None:
        backward = torch.Tensor.backward

        def noting(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            # A step has one backward pass in every trainer here, and it is the last: some try
            # another out before it.
            self._loss = float(tensor.detach())
            return backward(tensor, *args, **kwargs)

        torch.Tensor.backward = noting  # type: ignore[method-assign]

    def _watch_clipping(self) -> None:
        clip = torch.nn.utils.clip_grad_norm_

        def noting(*args: Any, **kwargs: Any) -> Any:
            norm = clip(*args, **kwargs)
            self._norm = math.hypot(self._norm or 0.0, float(norm))
            return norm

        torch.nn.utils.clip_grad_norm_ = noting


def _count_real_tokens(row: Any) -> int:
    """Packed rows come with padding of their own, which their attention mask marks by 0."""
    return sum(mark != 0 for mark in row.get("attention_mask", ())) or len(row["input_ids"])


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def _peak_rss_mb() -> float:
    """Of this program alone; `ru_maxrss` would count the parent that forked it."""
    status = Path("/proc/self/status").read_text("utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _versions(*packages: str) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
