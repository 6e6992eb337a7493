"""Keeps a `MaskBook` encrypted, under a key that the user keeps apart from the data.

The form is ``assay-masks-1``, a line feed, and AES-SIV (RFC 5297; AES-256, 16 bytes of tag first)
of the book's JSON with that first line as associated data. AES-SIV needs no nonce, so the same book
under the same key is the same bytes, and a version that holds it has one content hash.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from assay.data.curate.mask_book import MaskBook
from assay.errors import Problem, UsageError

_FORM = b"assay-masks-1\n"
_KEY_FORM = "assay-mask-key-1 "
_KEY_BYTES = 64


def make_mask_key(path: Path, *, apart_from: Path | None = None) -> bytes:
    """Write a new key (64 random bytes) to `path`, readable by its owner alone.

    Args:
        apart_from: a folder that the key must not lie in: whoever gets the data would get it too.

    Raises:
        UsageError: something lies there already, or it is in `apart_from`.
    """
    if apart_from is not None and path.resolve().is_relative_to(apart_from.resolve()):
        do = "keep the key where the data is not"
        raise UsageError(Problem(f"{path} is in {apart_from}", "a path outside", do, key="--key"))
    key = os.urandom(_KEY_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        do = "name another path, or use the key that is there"
        raise UsageError(Problem(f"{path} exists", "a new file", do, key="--key")) from error
    except OSError as error:
        problem = Problem(f"{path}: {error.strerror}", "a file that can be written", key="--key")
        raise UsageError(problem) from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(_KEY_FORM + base64.b64encode(key).decode() + "\n")
    return key


def load_mask_key(path: Path) -> bytes:
    """The key that `make_mask_key` wrote.

    Raises:
        UsageError: no such file, or something else is in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
        form, key = text[: len(_KEY_FORM)], base64.b64decode(text[len(_KEY_FORM) :])
    except (OSError, ValueError) as error:
        problem = Problem(f"{path}: {error}", "a key file of masks", "name it", key="--key")
        raise UsageError(problem) from error
    if form != _KEY_FORM or len(key) != _KEY_BYTES:
        problem = Problem(f"{path} is no key", "a key file of masks", "name it", key="--key")
        raise UsageError(problem)
    return key


def seal_book(book: MaskBook, key: bytes) -> bytes:
    """The book encrypted; `key` is 64 bytes."""
    plain = json.dumps(book.originals, ensure_ascii=False, sort_keys=True).encode()
    return _FORM + AESSIV(key).encrypt(plain, [_FORM])


def open_book(sealed: bytes, key: bytes) -> MaskBook:
    """The book that `seal_book` encrypted.

    Raises:
        UsageError: another key, or bytes that were changed.
    """
    try:
        plain = AESSIV(key).decrypt(sealed.removeprefix(_FORM), [_FORM])
    except (InvalidTag, ValueError) as error:
        do = "name the key that was written when these masks were made"
        allowed = "the key of these masks, and masks as they were written"
        problem = Problem("masks that this key does not open", allowed, do, key="--key")
        raise UsageError(problem) from error
    return MaskBook(json.loads(plain))


def unmask(text: str, sealed: bytes, key: bytes) -> str:
    """`text` with its placeholders as what they stand for, by an encrypted book and its key."""
    return open_book(sealed, key).unmask(text)
