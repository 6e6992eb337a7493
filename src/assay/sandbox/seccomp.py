"""A filter of system calls: no network, no file written, no process started, none touched.

The filter is a program of classic BPF (linux/seccomp.h, linux/bpf_common.h) over the call's number
and arguments; what it forbids fails with EPERM, so that Python raises PermissionError. Numbers are
of linux/arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass

from assay.sandbox.linux import IS_LINUX, PR_SET_SECCOMP, call_libc

_LOAD, _JUMP_EQ, _JUMP_GE, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_ARCH_AT, _NUMBER_AT, _ARGUMENTS_AT = 4, 0, 16
_CLONE_THREAD = 0x00010000
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NEWEST = 452
"""Calls from this number on are answered as by a kernel that lacks them."""
_X32 = 0x40000000
"""Numbers from here on are those of another calling convention of the same processor."""

_SAME_EVERYWHERE = (
    # pidfd_send_signal, io_uring_setup/enter/register, open_tree, move_mount, fsopen … fspick,
    # pidfd_open, openat2, pidfd_getfd, process_madvise, mount_setattr, quotactl_fd,
    # memfd_secret, process_mrelease
    *(424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434),
    *(437, 438, 440, 442, 443, 447, 448),
)


@dataclass(frozen=True)
class _Machine:
    """A processor's name for seccomp, and its numbers of calls; -1 where it has no such call."""

    arch: int
    forbidden: tuple[int, ...]
    open: int
    openat: int
    clone: int
    prlimit64: int
    clone3: int = 435


_MACHINES = {
    "x86_64": _Machine(
        arch=0xC000003E,
        # socket, connect, accept(4), bind, listen, sendmmsg; fork, vfork, execve(at); ptrace,
        # process_vm_readv/writev, kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo.
        forbidden=(
            *(41, 42, 43, 288, 49, 50, 307, 57, 58, 59, 322, 101, 310, 311, 62, 200, 234, 129, 297),
            # mknod(at), creat, unlink(at), rename(at)(2), mkdir(at), rmdir, link(at),
            # symlink(at), truncate, chmod …, chown …, utime …, set- and removexattr.
            *(133, 259, 85, 87, 263, 82, 264, 316, 83, 258, 84, 86, 265, 88, 266, 76),
            *(90, 91, 268, 92, 93, 94, 260, 132, 235, 261, 280, 188, 189, 190, 197, 198, 199),
            # mount, umount2, unshare, setns, chroot, pivot_root, open_by_handle_at, memfd_create,
            # shmget, shmat, msgget, semget, mq_open; bpf, perf_event_open, keys, userfaultfd.
            *(165, 166, 272, 308, 161, 155, 304, 319, 29, 30, 68, 64, 240, 321, 298, 250, 248, 249),
            # Modules, kexec, reboot, swap, quotas, accounting, clocks, host names, scheduling,
            # setrlimit, personality, fanotify, pages of other processes, ioperm, iopl.
            *(323, 175, 313, 176, 246, 320, 169, 167, 168, 179, 163, 164, 227, 159, 305, 170, 171),
            *(144, 314, 141, 160, 135, 300, 256, 279, 173, 172),
        ),
        open=2,
        openat=257,
        clone=56,
        prlimit64=302,
    ),
    "aarch64": _Machine(
        arch=0xC00000B7,
        forbidden=(
            *(198, 203, 202, 242, 200, 201, 269, 221, 281, 117, 270, 271, 129, 130, 131, 138, 240),
            *(33, 35, 38, 276, 34, 37, 36, 45, 52, 53, 55, 54, 88, 5, 6, 7, 14, 15, 16),
            *(40, 39, 97, 268, 51, 41, 265, 279, 194, 196, 186, 190, 180, 280, 241, 219, 217, 218),
            *(282, 105, 273, 106, 104, 294, 142, 224, 225, 60, 89, 170, 112, 171, 266, 161, 162),
            *(119, 274, 140, 164, 92, 262, 238, 239),
        ),
        open=-1,
        openat=56,
        clone=220,
        prlimit64=261,
    ),
}


def is_known_machine() -> bool:
    """Whether there is a filter for this system's calls."""
    return IS_LINUX and platform.machine() in _MACHINES


def install_filter() -> None:
    """Filter this process's calls from now on. Raises OSError where the kernel has no filters."""
    program = build_filter(_MACHINES[platform.machine()])
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    held = ctypes.create_string_buffer(header, len(header))
    call_libc("prctl", PR_SET_SECCOMP, 2, ctypes.c_void_p(ctypes.addressof(held)), 0, 0)


def build_filter(machine: _Machine) -> bytes:
    """The program: eight bytes an instruction, each check with the return that it skips."""
    forbid, lack = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
    code = [(_LOAD, 0, 0, _ARCH_AT), (_JUMP_EQ, 1, 0, machine.arch), (_RETURN, 0, 0, forbid)]
    code += [(_LOAD, 0, 0, _NUMBER_AT), (_JUMP_GE, 0, 1, _X32), (_RETURN, 0, 0, forbid)]
    code += [(_JUMP_GE, 0, 1, _NEWEST), (_RETURN, 0, 0, lack)]
    code += [(_JUMP_EQ, 0, 1, machine.clone3), (_RETURN, 0, 0, lack)]
    for number in (*machine.forbidden, *_SAME_EVERYWHERE):
        code += [(_JUMP_EQ, 0, 1, number), (_RETURN, 0, 0, forbid)]
    for number, place in ((machine.open, 1), (machine.openat, 2)):
        if number >= 0:
            code += _check_bits(number, place, _WRITES, if_set=forbid, if_clear=_ALLOW)
    code += _check_bits(machine.clone, 0, _CLONE_THREAD, if_set=_ALLOW, if_clear=forbid)
    code += [(_JUMP_EQ, 0, 5, machine.prlimit64)]
    code += [(_LOAD, 0, 0, _low(2)), (_JUMP_EQ, 0, 2, 0), (_LOAD, 0, 0, _low(2) + 4)]
    code += [(_JUMP_EQ, 1, 0, 0), (_RETURN, 0, 0, forbid), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def _check_bits(
    number: int, place: int, bits: int, *, if_set: int, if_clear: int
) -> list[tuple[int, int, int, int]]:
    """For the call `number`: what to return by whether its argument has one of `bits`."""
    return [
        (_JUMP_EQ, 0, 4, number),
        (_LOAD, 0, 0, _low(place)),
        (_JUMP_SET, 0, 1, bits),
        (_RETURN, 0, 0, if_set),
        (_RETURN, 0, 0, if_clear),
    ]


def _low(place: int) -> int:
    """Where the lower half of an argument stands, on a little-endian processor."""
    return _ARGUMENTS_AT + 8 * place
