"""One process writes one folder: a lock file that names its owner; knows nothing of the work done.

The file holds the owner's pid, the time that process started (pids are used again), and its host.
A lock whose owner has died is stale and is taken over; one of another host is never judged from
here. A short exclusive `flock` keeps two processes from taking over the same stale lock.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

import psutil

from assay.errors import CheckpointError

if sys.platform != "win32":
    import fcntl


@dataclass(frozen=True)
class LockOwner:
    """Who holds a lock: process id, its start in seconds since 1970, and host name."""

    pid: int
    started_s: float
    host: str

    @property
    def alive(self) -> bool:
        """Whether that very process still runs; an owner on another host counts as alive.

        One that was killed and that its parent has not waited for yet (a zombie) has died.
        """
        if self.host != socket.gethostname():
            return True
        try:
            process = psutil.Process(self.pid)
            started_s, status = process.create_time(), process.status()
        except psutil.NoSuchProcess:
            return False
        dead = status in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return not dead and abs(float(started_s) - self.started_s) < 1.0


def read_owner(path: Path) -> LockOwner | None:
    """Read who holds the lock at `path`; None when nobody does or the file is unreadable."""
    try:
        return LockOwner(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


class FolderLock:
    """Hold a folder while the ``with`` block lasts.

    Args:
        path: the lock file, in the folder.
        doing: what another process that holds it does, such as "writes this run".
        do: what can be done instead of waiting for it.

    Raises:
        CheckpointError: on entry, when a living process holds the folder.
    """

    def __init__(self, path: Path, *, doing: str, do: str = "") -> None:
        self.path, self._doing, self._do = path, doing, do

    def __enter__(self) -> FolderLock:
        with _exclusive(self.path) as descriptor:
            owner = read_owner(self.path)
            if owner is not None and owner.alive:
                instead = f", {self._do}" if self._do else ""
                raise CheckpointError(
                    f"{self.path.parent}: another process {self._doing} (pid {owner.pid} on "
                    f"{owner.host}); wait for it{instead}, or remove {self.path.name} if that host "
                    "is gone"
                )
            text = json.dumps(asdict(_this_process()))
            os.ftruncate(descriptor, 0)
            os.write(descriptor, text.encode("utf-8"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with _exclusive(self.path):
            owner = read_owner(self.path)
            if owner is not None and (owner.pid, owner.host) == (os.getpid(), socket.gethostname()):
                self.path.unlink()


def _this_process() -> LockOwner:
    pid = os.getpid()
    return LockOwner(pid, psutil.Process(pid).create_time(), socket.gethostname())


@contextmanager
def _exclusive(path: Path) -> Iterator[int]:
    """Open `path` under an flock; reopen when it was unlinked while we waited."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if sys.platform != "win32":
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _still_at(path, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _still_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
