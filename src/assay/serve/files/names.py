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
    seen = "".join(char for char in last if unicodedata.category(char) not in _UNSEEN).strip()
    return seen[-MAX_CHARS:] if seen.strip(".") else "file"
