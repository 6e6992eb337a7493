"""Whether what was said before goes whole into a text, as it is or in code; it knows no call."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from urllib.parse import unquote_plus

from assay.data.curate.stems import fold_words

_CODED = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}|(?:[0-9a-fA-F]{2}){12,}")
_MIN_FLOW_WORDS = 4
_WINDOW = 8
_MIN_CODED_CHARS = 12


def find_flow(texts: Sequence[str], turns: Sequence[tuple[str, str]]) -> str:
    """Whose words go into one of `texts`, and how; or an empty text.

    Args:
        texts: arguments of a call.
        turns: of each earlier turn, whose words they are, and the words as `fold_words` has them.
    """
    for text in texts:
        plain = fold_words(text)
        for whose, said in turns:
            if _holds(plain, said):
                return whose
        if "%" in text or "+" in text:
            opened = fold_words(unquote_plus(text))
            for whose, said in turns:
                if opened != plain and _holds(opened, said):
                    return f"{whose} in percent code"
        for code in _CODED.finditer(text):
            opened = fold_words(_decode(code[0]))
            for whose, said in turns:
                if _holds(opened, said) or (len(opened) >= _MIN_CODED_CHARS and opened in said):
                    return f"{whose} in code"
    return ""


def _holds(plain: str, said: str) -> bool:
    """Whether `plain` has all of `said`, or two of its three parts where it is long."""
    words = said.split(" ")
    if len(words) < _MIN_FLOW_WORDS or len(plain) * 3 < len(said):
        return False
    if said in plain:
        return True
    if len(words) < 3 * _WINDOW:
        return False
    middle = len(words) // 2
    starts = (0, middle, len(words) - _WINDOW)
    return sum(" ".join(words[one : one + _WINDOW]) in plain for one in starts) >= 2


def _decode(code: str) -> str:
    """What base64 or hexadecimal code says, or an empty text."""
    for octets in (bytes.fromhex, _from_base64):
        try:
            return octets(code).decode()
        except (ValueError, binascii.Error):
            continue
    return ""


def _from_base64(code: str) -> bytes:
    even = code.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(even + "=" * (-len(even) % 4), validate=True)
