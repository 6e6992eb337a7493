"""Calls of Linux that Python's library lacks, by way of the C library."""

from __future__ import annotations

import ctypes
import os
import sys

IS_LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 22, 24, 38

if IS_LINUX:
    LIBC = ctypes.CDLL(None, use_errno=True)


def call_libc(name: str, *arguments: object) -> int:
    """A function of the C library. Raises OSError where it gives a negative value."""
    return _check(getattr(LIBC, name)(*map(_widen, arguments)), name)


def call_system(number: int, *arguments: object) -> int:
    """A system call by its number. Raises OSError where it fails."""
    LIBC.syscall.restype = ctypes.c_long
    result = LIBC.syscall(ctypes.c_long(number), *map(_widen, arguments))
    return _check(int(result), f"system call {number}")


def forbid_new_privileges() -> None:
    """No program that is run from here gains rights; seccomp and Landlock ask for it first."""
    call_libc("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _widen(argument: object) -> object:
    """Whole numbers as C's long: what a variadic function reads of a register is all of it."""
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def _check(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result
