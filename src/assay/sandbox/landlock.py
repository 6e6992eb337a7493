"""Landlock: this process may read Python's own folders, and no other file; it may write nothing.

Structures and bits are those of linux/landlock.h (versions 1 to 6 of the interface).
"""

from __future__ import annotations

import os
import struct
import sys
from functools import lru_cache
from pathlib import Path

from assay.sandbox.linux import IS_LINUX, call_system

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE, _READ, _LIST = 1, 2, 4, 8
_ALL_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_ALL_NET, _ALL_SCOPES = 3, 3
_SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/dev/urandom")


def find_version() -> int:
    """Of the kernel's interface; 0 where it has none or keeps it off."""
    if not IS_LINUX:
        return 0
    try:
        return call_system(_CREATE, None, 0, _VERSION_FLAG)
    except OSError:
        return 0


@lru_cache(maxsize=1)
def list_readable() -> list[str]:
    """Folders and files that Python needs to import what is installed, found once a process."""
    folders = [sys.prefix, sys.base_prefix, *(path for path in sys.path if path), *_SYSTEM]
    return sorted({str(Path(path).resolve()) for path in folders if Path(path).exists()})


def restrict_files(readable: list[str]) -> None:
    """For this process and for good. Raises OSError where Landlock refuses."""
    version = find_version()
    files = max(bits for least, bits in _ALL_FILES.items() if least <= version)
    rules = struct.pack("QQQ", files, _ALL_NET, _ALL_SCOPES)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = call_system(_CREATE, rules[:size], size, 0)
    for path in readable:
        is_folder = os.path.isdir(path)
        _allow(ruleset, path, _READ | _EXECUTE | (_LIST if is_folder else 0))
    _allow(ruleset, "/dev/null", _READ | _WRITE)
    call_system(_RESTRICT, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", access, place)
    call_system(_ADD, ruleset, _PATH_BENEATH, rule, 0)
    os.close(place)
