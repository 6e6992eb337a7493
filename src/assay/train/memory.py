"""How much memory is free, how much some work takes, and whether an error means too little."""

from __future__ import annotations

import gc
from pathlib import Path

import psutil
import torch

from assay.errors import ResourceError
from assay.train.kept_memory import trim_memory

ALLOCATION_FAILURES = (
    "can't allocate memory",
    "not enough memory",
    "Cannot allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "could not create a primitive",
    "could not execute a primitive",
)
"""How PyTorch and its libraries say without a class of their own that memory ran out.

The last two are oneDNN's, which gives no reason; what else they may mean fails in any portion.
"""
CGROUP = Path("/sys/fs/cgroup")
MEMBER = Path("/proc/self/cgroup")
UNLIMITED = 1 << 60


class DoesNotFit(ResourceError):
    """A row that does not fit in memory by itself; weights and optimizer have not moved."""


class SharedShortage(MemoryError):
    """Memory ran out on one of several ranks, and all have agreed to do the step anew."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out: on a GPU or a CPU, of PyTorch or of Python."""
    if isinstance(error, ResourceError):
        return False
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(t in str(error) for t in ALLOCATION_FAILURES)


def free_memory(device: torch.device) -> None:
    """Give back what failed work has left behind, to the device and to the system."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    # What the C library keeps for itself is missing elsewhere, as for the code that oneDNN makes.
    trim_memory()


def read_free_bytes(device: torch.device) -> int:
    """Bytes that may still be taken on `device`: of a CPU's, what machine and container leave."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + cached)
    return min(int(psutil.virtual_memory().available), _read_cgroup_free_bytes())


def read_held_bytes(device: torch.device) -> int:
    """Bytes that this process holds on `device` now."""
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    return int(psutil.Process().memory_info().rss)


def reset_peak(device: torch.device) -> bool:
    """Forget the most bytes held so far; False where this system does not count them anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return True
    return _reset_high_water_mark()


def read_peak_bytes(device: torch.device) -> int | None:
    """Most bytes that this process has held on `device` since `reset_peak`; None if not known."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return _read_high_water_mark()


def _reset_high_water_mark() -> bool:
    """Linux counts the most resident bytes of a process, and forgets them when asked to."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _read_high_water_mark() -> int | None:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = [line.split() for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0][1]) * 1024 if found else None


def _read_cgroup_free_bytes(root: Path = CGROUP, member: Path = MEMBER) -> int:
    """What the limits of this process's control groups leave, of version 1 or 2.

    Pages of files that could be dropped count as free.
    """
    free = UNLIMITED
    for folder in _list_cgroups(root, member):
        limit = _read_number(folder, "memory.max", "memory.limit_in_bytes")
        usage = _read_number(folder, "memory.current", "memory.usage_in_bytes")
        if limit is not None and usage is not None and limit < UNLIMITED:
            free = min(free, max(0, limit - usage + _read_reclaimable(folder)))
    return free


def _list_cgroups(root: Path, member: Path) -> list[Path]:
    """The folders of the groups that this process is in, each with those around it."""
    try:
        lines = member.read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    own = {root, root / "memory"}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            folder = root / controllers / path.lstrip("/")
            own |= {folder, *(p for p in folder.parents if p.is_relative_to(root))}
    return sorted(own)


def _read_number(folder: Path, *names: str) -> int | None:
    """The number in the first of these files that is there; None for the word `max`."""
    for name in names:
        try:
            text = (folder / name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        return int(text) if text.isdigit() else None
    return None


def _read_reclaimable(folder: Path) -> int:
    try:
        lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    numbers = dict(line.split() for line in lines)
    return int(numbers.get("total_inactive_file", numbers.get("inactive_file", 0)))
