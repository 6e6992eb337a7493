"""Hits of detectors that conclude, on disk by piece: in any order, and possibly very many."""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from assay.data.curate.finding import Hit, Insight
from assay.data.curate.store import decode_hits, encode_hits
from assay.runs.atomic import disk_full_named

_BUFFERED_HITS = 20_000


class LateHits:
    """What one detector concluded; whole once its last file is written."""

    def __init__(self, work: Path, detector: str) -> None:
        self._folder = work / "late" / detector
        self._done = self._folder / "done.json"
        self._insights = self._folder / "insights.json"

    def is_done(self, key: str) -> bool:
        """Whether everything was written, by what decides it."""
        try:
            return bool(json.loads(self._done.read_text(encoding="utf-8")) == key)
        except (OSError, ValueError):
            return False

    def write(
        self,
        found: Iterable[Hit | Insight],
        starts: np.ndarray[tuple[int], np.dtype[np.int64]],
        key: str,
    ) -> None:
        """Keep all hits and insights in place of earlier ones.

        Raises:
            ResourceError: the disk is full.

        Args:
            starts: the number of each piece's first row.
        """
        shutil.rmtree(self._folder, ignore_errors=True)
        with disk_full_named(self._folder):
            self._folder.mkdir(parents=True, mode=0o700)
            buffered: list[Hit] = []
            insights: dict[str, Any] = {}
            for hit in found:
                if isinstance(hit, Insight):
                    insights[hit.name] = hit.value
                    continue
                buffered.append(hit)
                if len(buffered) == _BUFFERED_HITS:
                    self._append(buffered, starts)
                    buffered = []
            self._append(buffered, starts)
            self._insights.write_text(json.dumps(insights), encoding="utf-8")
            scratch = self._done.with_suffix(f".{os.getpid()}.tmp")
            scratch.write_text(json.dumps(key), encoding="utf-8")
            os.replace(scratch, self._done)

    def read(self, index: int) -> list[Hit]:
        """The hits in rows of one piece, in the order they were found."""
        try:
            return decode_hits(self._path(index).read_bytes())
        except FileNotFoundError:
            return []

    def read_insights(self) -> dict[str, Any]:
        """What is told of the whole set, by name."""
        found: dict[str, Any] = json.loads(self._insights.read_text(encoding="utf-8"))
        return found

    def _append(self, hits: list[Hit], starts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        pieces = np.searchsorted(starts, [hit.number for hit in hits], side="right") - 1
        sorted_out: dict[int, list[Hit]] = defaultdict(list)
        for index, hit in zip(pieces.tolist(), hits, strict=True):
            sorted_out[index].append(hit)
        for index, own in sorted_out.items():
            with self._path(index).open("ab") as stream:
                stream.write(encode_hits(own))

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:06}.hits"
