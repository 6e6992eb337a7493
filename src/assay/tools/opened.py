"""What a text says once its codes are undone: percent code, hexadecimal, base64, one in another.

It decodes whatever looks like code and judges nothing: what was no code gives nonsense, in which
nothing that anybody looks for will be found.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple
from urllib.parse import unquote_plus

Code = Literal["plain", "url", "hex", "base64"]

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{11,}={0,2}")
_HEX = re.compile(r"(?:(?:0x|\\x)?[0-9a-fA-F]{2}[ :,-]?){8,}[0-9a-fA-F]?")
_HEX_MARKS = re.compile(r"0x|\\x|[ :,-]")
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}|\+")
_FOLDS = re.compile(r"(?<=[A-Za-z0-9+/_=-])(?:\\n|\r?\n)[ \t]*(?=[A-Za-z0-9+/_=-])")
_READABLE = re.compile(r"[^\x00-\x1f\x7f]{6,}")
_DEPTH = 3


class Opened(NamedTuple):
    """A text as it stands or as it reads once `code` is undone (the innermost of several)."""

    code: Code
    text: str


def open_codes(text: str, *, depth: int = _DEPTH) -> Iterator[Opened]:
    """The text itself, and what it and its parts say when they are decoded, at most `depth` deep.

    Args:
        text: of any length; time grows with it, and with `depth` only where codes are nested.
        depth: how many codes, one within another, are undone.
    """
    yield Opened("plain", text)
    if depth:
        for code, inner in _undo_once(text):
            for opened in open_codes(inner, depth=depth - 1):
                yield opened if opened.code != "plain" else Opened(code, opened.text)


def _undo_once(text: str) -> Iterator[tuple[Code, str]]:
    if _PERCENT.search(text):
        plain = unquote_plus(text, errors="ignore")
        if plain != text:
            yield "url", plain
    for found in _HEX.finditer(text):
        yield from (("hex", inner) for inner in _from_hex(found[0]))
    # Long codes are often folded into lines, by mail programs and by `base64.encodebytes`.
    for found in _BASE64.finditer(_FOLDS.sub("", text)):
        yield from (("base64", inner) for inner in _from_base64(found[0]))


def _from_hex(code: str) -> Iterator[str]:
    digits = _HEX_MARKS.sub("", code)
    # A digit of what stands before the code may look like its first one.
    for start in (0, 1):
        even = digits[start : start + (len(digits) - start) // 2 * 2]
        yield from _as_text(bytes.fromhex(even))


def _from_base64(code: str) -> Iterator[str]:
    letters = code.rstrip("=").replace("-", "+").replace("_", "/")
    # A path or a word before the code shifts it: only one of four starts is the right one.
    for start in range(4):
        part = letters[start:]
        part = part[: len(part) - 1] if len(part) % 4 == 1 else part
        try:
            octets = base64.b64decode(part + "=" * (-len(part) % 4), validate=True)
        except binascii.Error:
            continue
        yield from _as_text(octets)


def _as_text(octets: bytes) -> Iterator[str]:
    """The octets as UTF-8, with what is none left out; nothing where little is left."""
    text = octets.decode("utf-8", errors="ignore")
    if _READABLE.search(text):
        yield text
