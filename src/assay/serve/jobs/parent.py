"""A process that ends with the one that started it, however that one ended."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys

PARENT_VARIABLE = "ASSAY_PARENT"
"""The id of the process with which one is to end."""
_PR_SET_PDEATHSIG = 1


def name_parent() -> dict[str, str]:
    """What a child's environment is given, so that `end_with_parent` knows this process."""
    return {PARENT_VARIABLE: str(os.getpid())}


def end_with_parent() -> None:
    """Die with the process that started this one: nobody trains on a job that others may take.

    It may have died before this is asked for: `PARENT_VARIABLE` names it, and so does
    `multiprocessing` to its processes.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    named, known = os.environ.pop(PARENT_VARIABLE, None), multiprocessing.parent_process()
    is_orphan = named is not None and os.getppid() != int(named)
    if is_orphan or (known is not None and not known.is_alive()):
        os.kill(os.getpid(), signal.SIGKILL)
