"""How many CPUs this process may really use; it starts nothing on them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
MEMBER = Path("/proc/self/cgroup")


def count_granted_cpus(root: Path = CGROUP, member: Path = MEMBER) -> int:
    """CPUs by affinity, and by the quota of every control group above, rounded up; 1 at least."""
    if hasattr(os, "sched_getaffinity"):
        granted = len(os.sched_getaffinity(0))
    else:
        granted = os.cpu_count() or 1
    return max(1, min([granted, *(ceil(quota) for quota in _read_quotas(root, member))]))


def _read_quotas(root: Path, member: Path) -> Iterator[float]:
    """CPUs that each control group of this process allows, where it allows not all."""
    for folder in _list_groups(root, member):
        words = _read(folder / "cpu.max").split()
        if not words:
            words = [_read(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
        quota, period = [*words, ""][:2]
        if quota.isdigit() and period.isdigit() and int(period):
            yield int(quota) / int(period)


def _list_groups(root: Path, member: Path) -> Iterator[Path]:
    """Folders of this process's groups, of cgroups 2 and 1, from the innermost to the root."""
    for line in _read(member).splitlines():
        _, controllers, place = [*line.split(":", 2), "", ""][:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "cpu" if controllers else root
        inner = top / place.lstrip("/")
        yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(top))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
