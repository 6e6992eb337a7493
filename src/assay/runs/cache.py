"""Where what can be computed anew is kept between runs; knows nothing of what is kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path


def find_cache_folder(name: str) -> Path | None:
    """`$ASSAY_CACHE/NAME`, else `assay/NAME` in the user's cache folder.

    None, that is nowhere, with `ASSAY_CACHE` set to nothing or for a user without a home.
    """
    named = os.environ.get("ASSAY_CACHE")
    if named is not None:
        return Path(named) / name if named else None
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    return home / "assay" / name


def hash_code(parts: Iterable[str], packages: Sequence[str] = (), *, start: bytes = b"") -> str:
    """SHA-256 (32 hex digits) of Assay's modules in `parts` and of the packages' versions.

    Whoever changes the code that made what is kept need not remember the cache. A part is a module
    (``data/arrows.py``) or a unit with all below it (``chat``).
    """
    digest = hashlib.sha256(start)
    for package in packages:
        digest.update(f"{package} {version(package)}\n".encode())
    root = Path(str(files("assay")))
    for part in parts:
        found = root / part
        for module in [found] if found.is_file() else sorted(found.rglob("*.py")):
            digest.update(module.read_bytes())
    return digest.hexdigest()[:32]
