"""Where what can be computed anew is kept between runs; knows nothing of what is kept."""

from __future__ import annotations

import os
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
