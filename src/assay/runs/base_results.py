"""What a base answered, kept between runs by everything that decided it; it asks no model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from assay.runs.atomic import finite, write_json

T = TypeVar("T")


@dataclass(frozen=True)
class BaseResults:
    """Results of one base in one folder of the cache.

    Args:
        folder: ``…/base``; None keeps nothing.
        identity: what decides the base's answers beside what is asked: hash of its files,
            precision, device.
    """

    folder: Path | None
    identity: tuple[str, ...]

    def remember(self, name: str, key: Any, compute: Callable[[], T]) -> T:
        """What was computed before under this name and key, else `compute()`, which is kept.

        Key and result are plain JSON values: a result comes back as JSON has it (tuples as lists),
        whether or not it was kept before; NaN and infinities come back as None.
        """
        path = self._path(name, key)
        if path is not None and path.is_file():
            try:
                kept = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                kept = None
            if isinstance(kept, dict) and kept.get("identity") == list(self.identity):
                return kept["result"]  # type: ignore[no-any-return]
        result = json.loads(json.dumps(finite(compute()), allow_nan=False))
        if path is not None:
            _keep(path, {"identity": list(self.identity), "name": name, "result": result})
        return result  # type: ignore[no-any-return]

    def _path(self, name: str, key: Any) -> Path | None:
        if self.folder is None:
            return None
        content = json.dumps([self.identity, name, key], sort_keys=True, default=str)
        digest = hashlib.sha256(content.encode()).hexdigest()
        return self.folder / self.identity[0][:16] / f"{name}-{digest[:32]}.json"


def _keep(path: Path, content: dict[str, Any]) -> None:
    """A cache that cannot be written to is no reason to lose what was measured."""
    try:
        write_json(path, content)
    except OSError:
        path.unlink(missing_ok=True)
