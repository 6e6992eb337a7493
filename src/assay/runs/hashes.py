"""SHA-256 of files and folders, streamed; knows nothing of what the bytes mean."""

from __future__ import annotations

import hashlib
from pathlib import Path

from assay.runs.atomic import canonical_json

_CHUNK_BYTES = 1 << 20


def sha256_bytes(content: bytes) -> str:
    """Return the SHA-256 of `content` as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hex digits, reading one mebibyte at a time."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_tree(folder: Path) -> str:
    """Return one SHA-256 for a folder: of the canonical JSON of {relative path: hash of the file}.

    Names and contents count; times, modes and empty folders do not. A single file gives the same
    hash as a folder that holds that file alone.
    """
    if folder.is_file():
        return sha256_bytes(canonical_json({folder.name: sha256_file(folder)}))
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}
    return sha256_bytes(canonical_json(names))
