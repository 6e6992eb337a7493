"""How much a process in the sandbox may use; it knows no fence."""

from __future__ import annotations

from dataclasses import dataclass

MAX_REQUEST_BYTES = 8 << 20
MAX_REPLY_BYTES = 1 << 20
MAX_TOLD_CHARS = 2_000
"""Of an error's text."""
_MAX_FILES = 64
_MAX_THREADS = 128
_MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Of one process; a call that goes beyond one fails, and the next has a process of its own.

    Attributes:
        timeout_s: wall-clock time of a call, the source's own statements among the first.
        memory_mb: address space, in MiB: what goes beyond is a MemoryError there.
        output_chars: of what a program prints that is kept; more ends it.
    """

    timeout_s: float = 10.0
    memory_mb: int = 2048
    output_chars: int = 100_000

    @property
    def cpu_s(self) -> int:
        """Processor time after which the kernel ends the process, whatever it does by then."""
        return int(60 + 10 * self.timeout_s)


def set_limits(limits: Limits, *, has_own_users: bool) -> None:
    """For this process and for good: memory, processor time, files; none can be written at all.

    With `has_own_users` (a user namespace) processes and threads too: elsewhere those of the same
    user outside would count.
    """
    import resource  # which Windows lacks, where nothing is run

    memory = limits.memory_mb * _MIB
    threads = [(resource.RLIMIT_NPROC, _MAX_THREADS)] if has_own_users else []
    for kind, value in (
        *threads,
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _MAX_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(kind, (value, value))
