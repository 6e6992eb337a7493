"""Which fences this system has, and putting a process behind them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass

from assay.sandbox import landlock, seccomp
from assay.sandbox.linux import forbid_new_privileges
from assay.sandbox.namespaces import drop_capabilities, enter_namespaces, make_read_only

NAMES = ("namespaces", "seccomp", "landlock")


@dataclass(frozen=True)
class Fences:
    """Those that stand, by name.

    Each of `namespaces` and `seccomp` keeps out both network and writing; `landlock` keeps from
    writing and from reading what Python does not need, and is no fence against all of the network.
    """

    names: frozenset[str]

    @property
    def is_closed(self) -> bool:
        """Whether neither the network nor a file can be reached."""
        return bool(self.names & {"namespaces", "seccomp"})


def find_process_fences(wanted: Collection[str]) -> frozenset[str]:
    """Those of `wanted` that a process can put up for itself, tried in a child."""
    found = set()
    if "seccomp" in wanted and seccomp.is_known_machine() and _succeeds(_filter):
        found.add("seccomp")
    if "landlock" in wanted and landlock.find_version() and _succeeds(_restrict):
        found.add("landlock")
    return frozenset(found)


def has_namespaces() -> bool:
    """Whether this system lets us have namespaces of our own, tried in a child."""

    def enter() -> None:
        enter_namespaces()
        child = os.fork()
        if child == 0:
            _exit_by(lambda: make_read_only(landlock.list_readable()))
        _, status = os.waitpid(child, 0)
        if status:
            raise OSError("no mounts of our own")

    return _succeeds(enter)


def put_up(names: Collection[str]) -> None:
    """Put this process behind the named fences, for good. Raises OSError where one fails."""
    if "namespaces" in names:
        drop_capabilities()
    if names:
        forbid_new_privileges()
    if "landlock" in names:
        landlock.restrict_files(landlock.list_readable())
    if "seccomp" in names:
        seccomp.install_filter()


def _filter() -> None:
    forbid_new_privileges()
    seccomp.install_filter()


def _restrict() -> None:
    forbid_new_privileges()
    landlock.restrict_files(landlock.list_readable())


def _succeeds(attempt: Callable[[], None]) -> bool:
    child = os.fork()
    if child == 0:
        _exit_by(attempt)
    _, status = os.waitpid(child, 0)
    return status == 0


def _exit_by(attempt: Callable[[], None]) -> None:
    try:
        attempt()
    except OSError:
        os._exit(1)
    os._exit(0)
