"""Namespaces: a process with no network but its own, all files read-only, and nobody else in sight.

See namespaces(7), user_namespaces(7) and mount_setattr(2).
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from assay.sandbox.linux import PR_CAPBSET_DROP, PR_SET_PDEATHSIG, call_libc, call_system

_NEW_MOUNTS, _NEW_UTS, _NEW_IPC = 0x00020000, 0x04000000, 0x08000000
_NEW_USERS, _NEW_PIDS, _NEW_NET = 0x10000000, 0x20000000, 0x40000000
_RECURSIVE, _READ_ONLY = 0x8000, 0x1
_ALL_BELOW, _PRIVATE = 0x4000, 1 << 18
_NO_SUID, _NO_DEV, _NO_EXEC = 2, 4, 8
_MOUNT_SETATTR = 442
_NUM_CAPABILITIES = 64
_HIDDEN = ("/run", "/tmp", "/var/tmp", "/home", "/root")


def enter_namespaces() -> None:
    """Leave the network and the processes of this system; the next child is process 1 of its own.

    Raises OSError where the system does not let users do so.
    """
    user, group = os.geteuid(), os.getegid()
    spaces = _NEW_USERS | _NEW_NET | _NEW_MOUNTS | _NEW_PIDS | _NEW_IPC | _NEW_UTS
    call_libc("unshare", spaces)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def make_read_only(needed: Sequence[str]) -> None:
    """As process 1: no mount can be written, and ``/proc`` shows this namespace or nothing.

    Folders in which sockets of this system's services lie are empty, but for those that hold what
    is `needed`.
    """
    call_libc("mount", b"none", b"/", None, _ALL_BELOW | _PRIVATE, None)
    flags = _NO_SUID | _NO_DEV | _NO_EXEC
    try:
        call_libc("mount", b"proc", b"/proc", b"proc", flags, None)
    except OSError:
        call_libc("mount", b"none", b"/proc", b"tmpfs", flags, b"size=4k")
    for folder in _HIDDEN:
        if os.path.isdir(folder) and not any(
            f"{path}/".startswith(f"{folder}/") for path in needed
        ):
            call_libc("mount", b"none", folder.encode(), b"tmpfs", flags, b"size=4k")
    attributes = (ctypes.c_uint64 * 4)(_READ_ONLY, 0, 0, 0)
    call_system(_MOUNT_SETATTR, -1, b"/", _RECURSIVE, attributes, ctypes.sizeof(attributes))


def die_with_parent() -> None:
    """The kernel ends this process when the one that started it has gone."""
    call_libc("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def drop_capabilities() -> None:
    """Give up what rights process 1 has in its namespaces: to mount and to look around."""
    for capability in range(_NUM_CAPABILITIES):
        try:
            call_libc("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0)
        except OSError:
            break
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    call_libc("capset", header, (ctypes.c_uint32 * 6)())
