"""Has the C library keep the memory that a training frees, for its next step to use.

By default it maps every buffer beyond some MB anew and gives it back when it is freed, so each step
has the system clear the same pages again: a tenth of the time of full tuning where it was measured,
and more where a hypervisor has to supply them.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
"""Numbers of parameters in glibc's malloc.h; see mallopt(3)."""
KEEPING = ((MMAP_MAX, 0), (TRIM_THRESHOLD, -1))
GIVING_BACK = ((MMAP_MAX, 1 << 16), (MMAP_THRESHOLD, 32 << 20), (TRIM_THRESHOLD, 64 << 20))
"""Where the library's own thresholds, which move with what is freed, come to rest."""
OWN_SETTINGS = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")

SetOption = Callable[[int, int], int]
_num_inside = 0


@contextmanager
def memory_kept(device: torch.device, set_option: SetOption | None = None) -> Iterator[None]:
    """Keep freed memory for a while where `device` is a CPU whose C library is glibc.

    Does nothing where the user has set up the library through the environment. May be entered
    within itself; the last to leave gives everything back. `set_option` stands in for `mallopt`.
    """
    set_option = set_option or _find_set_option()
    if device.type != "cpu" or set_option is None or _is_set_by_user():
        yield
        return
    global _num_inside
    _num_inside += 1
    for option in KEEPING:
        set_option(*option)
    try:
        yield
    finally:
        _num_inside -= 1
        if not _num_inside:
            for option in GIVING_BACK:
                set_option(*option)
            trim_memory()


def trim_memory() -> None:
    """Give back to the system what the C library keeps for itself, where it can be asked to."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)


def _find_set_option() -> SetOption | None:
    """glibc's `mallopt`, which no other C library on Linux has with these numbers."""
    is_glibc = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
    return ctypes.CDLL(None).mallopt if is_glibc else None


def _is_set_by_user() -> bool:
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    return "glibc.malloc." in tunables or any(name in os.environ for name in OWN_SETTINGS)
