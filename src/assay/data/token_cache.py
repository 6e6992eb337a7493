"""Rendered rows on disk, from one run to the next; it knows neither rows nor how they are made.

A file is named by what decides its content and by the hash of that content, so one that is cut
off, damaged or not ours is as good as none. What the user never asked for must never fail a run:
where the folder cannot be read or written, nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from assay.chat import ChatTokenizer
from assay.runs.cache import find_cache_folder, hash_code

MAX_BYTES = 2 << 30
"""What all files together may take; the ones not used for longest go first."""
_NAME = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{32})\.arrow")
# What a rendering is made by: whoever changes it need not remember the cache.
_CODE = ("chat", "data/rendered.py", "data/arrows.py")
_PACKAGES = ("jinja2", "tokenizers")
# A template that asks for the date renders another text tomorrow.
_NOT_PURE = "strftime_now"


@dataclass(frozen=True)
class TokenCache:
    """Chunks of rows that one tokenizer rendered, each by its key; `root` holds those of all."""

    root: Path
    name: str
    max_bytes: int = MAX_BYTES

    def read(self, key: str) -> bytes | None:
        """The content that was written under `key`, if it is there and whole."""
        digest = self._digests.get(key)
        if digest is None:
            return None
        path = self._path(key, digest)
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return content if _hash(content) == digest else None

    def write(self, key: str, content: bytes) -> None:
        """Keep `content`, in one piece or not at all."""
        path = self._path(key, _hash(content))
        scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.parent.mkdir(exist_ok=True, mode=0o700)
            scratch.write_bytes(content)
            os.replace(scratch, path)
        except OSError:
            with contextlib.suppress(OSError):
                scratch.unlink(missing_ok=True)

    def evict(self) -> None:
        """Remove the files that were not used for longest, until the rest is within `max_bytes`."""
        found = []
        for path in self.root.glob("*/*.arrow"):
            with contextlib.suppress(OSError):
                entry = path.stat()
                found.append((entry.st_mtime_ns, entry.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self.max_bytes:
                return
            with contextlib.suppress(OSError):
                path.unlink()
            total -= size

    @cached_property
    def _digests(self) -> dict[str, str]:
        """The hash of each key's content, by the names of the files."""
        try:
            names = os.listdir(self.root / self.name)
        except OSError:
            return {}
        return {match[1]: match[2] for name in names if (match := _NAME.fullmatch(name))}

    def _path(self, key: str, digest: str) -> Path:
        return self.root / self.name / f"{key}.{digest}.arrow"


def open_token_cache(tokenizer: ChatTokenizer, root: Path | None = None) -> TokenCache | None:
    """The cache of what `tokenizer` renders by the code as it is now; None where none is kept.

    None is kept with `ASSAY_CACHE` set to nothing, and where a template asks for the date.
    """
    root = root or find_cache_folder("tokens")
    if root is None or any(_NOT_PURE in text for text in tokenizer.templates.values()):
        return None
    name = hash_code(_CODE, _PACKAGES, start=tokenizer.to_json())
    return TokenCache(root, name)


def compute_chunk_key(payload: bytes) -> str:
    """The key of rows of which `payload` is the content, in order."""
    return _hash(payload)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
