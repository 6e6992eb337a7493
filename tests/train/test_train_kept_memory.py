"""Memory that is kept between steps: the system is asked for it once, and gets it back."""

import ctypes
import resource
import sys
from pathlib import Path

import pytest
import torch

from assay.train.kept_memory import GIVING_BACK, KEEPING, memory_kept

CPU = torch.device("cpu")
SIZES = (48 << 20, 64 << 20, 96 << 20)
PAGES = sum(SIZES) // resource.getpagesize()
IS_GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


def count_faults(num_steps: int) -> int:
    """Pages that the system supplies for large buffers which are written and let go of."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(num_steps):
        for size in SIZES:
            torch.zeros(size, dtype=torch.uint8).add_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def count_held_pages() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1])


@pytest.mark.skipif(not IS_GLIBC, reason="only glibc is asked to keep memory")
def test_pages_are_supplied_once_while_memory_is_kept_and_given_back_after() -> None:
    before = count_held_pages()
    with memory_kept(CPU):
        count_faults(8)  # until what lies between the buffers has found its place
        with memory_kept(CPU):
            pass
        assert count_faults(4) < PAGES // 10
        assert count_held_pages() - before > PAGES // 4
    assert count_held_pages() - before < PAGES // 8


def test_options_are_set_and_put_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    asked: list[tuple[int, int]] = []

    def set_option(option: int, value: int) -> int:
        asked.append((option, value))
        return 1

    with memory_kept(CPU, set_option), memory_kept(CPU, set_option):
        assert asked == [*KEEPING, *KEEPING]
    assert asked == [*KEEPING, *KEEPING, *GIVING_BACK]


def refuse(option: int, value: int) -> int:
    pytest.fail(f"option {option} was set")


@pytest.mark.parametrize(
    ("name", "value"),
    [("GLIBC_TUNABLES", "glibc.malloc.mmap_max=9"), ("MALLOC_TRIM_THRESHOLD_", "1000")],
)
def test_what_the_user_has_set_stays(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with memory_kept(CPU, refuse):
        pass


def test_a_gpu_leaves_the_library_alone() -> None:
    with memory_kept(torch.device("cuda"), refuse):
        pass
