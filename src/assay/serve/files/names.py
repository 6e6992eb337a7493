"""Names that clients give files: shown, and never a path."""

from __future__ import annotations

import unicodedata

MAX_CHARS = 255
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Categories of characters that are not seen, or that change the order of others."""


def clean_name(given: str | None) -> str:
    """The last part of a name, in one spelling, without characters that are not seen."""
    text = unicodedata.normalize("NFC", given or "")
    last = text.replace("\\", "/").rpartition("/")[2]
    kinds = ((char, unicodedata.category(char)) for char in last)
    kept = (" " if kind == "Zs" else char for char, kind in kinds if kind not in _UNSEEN)
    seen = "".join(kept).strip()
    return seen[-MAX_CHARS:] if seen.strip(".") else "file"
