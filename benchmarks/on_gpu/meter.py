"""Time, memory and the matrix rate of a device, measured the same way for every trainer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

WARM_UP_STEPS = 2
RATE_SIZE = {"cuda": 8192, "cpu": 512}
RATE_ROUNDS, RATE_PRODUCTS = 7, 8


class Clock:
    """When each step of a training was over on the device, its loss, and the most memory held.

    `kept` holds what must outlive the trainer's function: some save a checkpoint when they go.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.ends: list[float] = []
        self.losses: list[float] = []
        self.kept: list[Any] = []

    def start(self) -> None:
        """Begin to count memory: the model is there, and no step has been tried yet.

        What building it took, and freed again, is no part of the training.
        """
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
            return
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", "ascii")

    def tick(self, loss: float) -> None:
        """A step is over as soon as the device has done it, not when it was asked to."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.ends.append(time.perf_counter())
        self.losses.append(loss)

    @property
    def step_seconds(self) -> list[float]:
        """Of each step after the warm-up."""
        ends = self.ends[WARM_UP_STEPS - 1 :]
        return [end - start for start, end in pairwise(ends)]

    def read_peak_mib(self) -> dict[str, float]:
        """Most memory since `start`: of tensors, and with what the allocator could not use."""
        if self.device.type == "cuda":
            held = torch.cuda.max_memory_allocated(self.device)
            reserved = torch.cuda.max_memory_reserved(self.device)
            return {"peak_mib": held / 2**20, "reserved_mib": reserved / 2**20}
        status = Path("/proc/self/status").read_text("utf-8")
        return {"peak_mib": int(status.split("VmHWM:")[1].split()[0]) / 1024}


def measure_rate(device: torch.device) -> float:
    """FLOP per second of square bfloat16 products: the median of seven rounds of eight.

    On a GPU its own events take the time, so that what the host does in between is left out.
    """
    size = RATE_SIZE[device.type]
    a, b = (torch.randn(size, size, device=device).bfloat16() for _ in range(2))
    out = torch.empty_like(a)

    def multiply() -> None:
        for _ in range(RATE_PRODUCTS):
            torch.mm(a, b, out=out)

    time_once = _time_on_gpu if device.type == "cuda" else _time_on_cpu
    multiply(), multiply()  # clocks rise, and the library picks its kernel
    seconds = statistics.median(time_once(multiply) for _ in range(RATE_ROUNDS))
    return RATE_PRODUCTS * 2 * size**3 / seconds


def _time_on_gpu(work: Callable[[], None]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()  # type: ignore[no-untyped-call]
    work()
    end.record()  # type: ignore[no-untyped-call]
    end.synchronize()  # type: ignore[no-untyped-call]
    return float(start.elapsed_time(end)) / 1e3  # type: ignore[no-untyped-call]


def _time_on_cpu(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def limit_memory(device: torch.device, limit_bytes: int | None) -> None:
    """Let this process take no more than `limit_bytes` of a GPU, as if it had no more."""
    if limit_bytes is None or device.type != "cuda":
        return
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit_bytes / total), device)
