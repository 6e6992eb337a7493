"""Runs every detector over every row, in two passes, on all CPUs and in bounded memory.

The first pass reads and scans the rows piece by piece, each wherever a CPU is free, and keeps what
it finds in a work folder; in the second, detectors conclude from what was kept. Both passes go on
where they were cut off. What is found does not depend on how many processes there are.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Any

from assay.data.curate.detector import Detector, Given
from assay.data.curate.evidence import Kept
from assay.data.curate.finding import Finding, Hit
from assay.data.curate.jobs import Job, ask_conclude, ask_scan, encode_job
from assay.data.curate.late import LateHits
from assay.data.curate.pieces import Piece, number_pieces
from assay.data.curate.settings import Settings
from assay.data.worker_pool import WorkerLost, WorkerPool, build_command
from assay.runs.cpus import count_granted_cpus
from assay.runs.hashes import sha256_file

# Fewer are checked before another process has started.
MIN_PARALLEL_PIECES = 5
_COMMAND = build_command("assay.data.curate.scan_worker")

Progress = Callable[[int, int], None]
"""Rows done, and rows in all; 0 where that is not known."""


class Engine:
    """One check, from pieces to findings."""

    def __init__(
        self,
        detectors: Sequence[Detector],
        settings: Settings,
        *,
        work: Path,
        given: Given | None = None,
        progress: Progress = lambda done, total: None,
        num_cpus: int | None = None,
    ) -> None:
        self.not_measured: dict[str, str] = {}
        self._settings = settings
        self._given = given or Given()
        self._progress = progress
        self._num_cpus = num_cpus or count_granted_cpus()
        ready = tuple(one for one in detectors if self._is_ready(one))
        self._job = Job(ready, settings, work, self._given)
        self._keys: list[str] = []

    def _is_ready(self, detector: Detector) -> bool:
        rules = [rule.name for rule in detector.rules if self._settings.is_on(rule.name)]
        reason = detector.is_ready(self._given, self._settings) if rules else None
        if reason is not None:
            self.not_measured |= dict.fromkeys(rules, reason)
        return bool(rules) and reason is None

    def run(self, pieces: Iterable[Piece]) -> Iterator[Finding]:
        """The findings, in the order of the rows; those of one row in that of the detectors.

        Raises:
            DataError: a file whose rest cannot be read.
            ResourceError: the disk is full, or a process was lost.
        """
        with ExitStack() as stack:
            numbered = number_pieces(pieces)
            first = list(islice(numbered, MIN_PARALLEL_PIECES))
            pool = None
            if len(first) == MIN_PARALLEL_PIECES and self._num_cpus > 1 and self._job.can_be_sent:
                greeting = encode_job(self._job)
                pool = WorkerPool(_COMMAND, greeting, self._num_cpus, doing="checks rows")
                stack.enter_context(pool)
            self._scan(chain(first, numbered), pool)
            self._conclude(pool)
        yield from self._locate()

    def _scan(self, pieces: Iterable[Piece], pool: WorkerPool | None) -> None:
        """At most two pieces for each process are in memory at a time."""
        job, begun = self._job, deque[Callable[[], None]]()
        ahead = 2 * pool.num_workers if pool else 0
        settings_key = job.compute_key()
        for piece in pieces:
            key = piece.compute_key(settings_key)
            self._keys.append(key)
            if not job.store.is_done(piece.index, key):
                begun.append(self._begin_scan(piece, key, pool))
            while len(begun) > ahead:
                begun.popleft()()
            self._progress(piece.number, 0)
        while begun:
            begun.popleft()()

    def _begin_scan(self, piece: Piece, key: str, pool: WorkerPool | None) -> Callable[[], None]:
        here = lambda: self._job.scan(piece, key)  # noqa: E731
        return _begin(ask_scan(piece, key), pool, here) if pool else here

    def _conclude(self, pool: WorkerPool | None) -> None:
        key = self._compute_late_key()
        begun = []
        for detector in self._job.detectors:
            if detector.conclude is None:
                continue
            late = LateHits(self._job.folder, detector.name)
            asks = detector.asks(self._given)
            # What a nameless model told is of no use to another check.
            own = "" if asks and not self._given.identity else key
            if not (own and late.is_done(own)):
                # A model cannot be sent, so whoever asks one concludes here.
                begun.append(self._begin_conclude(detector, own, None if asks else pool))
        for finish in begun:
            finish()

    def _begin_conclude(
        self, detector: Detector, key: str, pool: WorkerPool | None
    ) -> Callable[[], None]:
        num_pieces = len(self._keys)
        here = lambda: self._job.conclude(detector, num_pieces, key)  # noqa: E731
        return _begin(ask_conclude(detector, num_pieces, key), pool, here) if pool else here

    def _compute_late_key(self) -> str:
        """Of all rows and of what else is concluded from."""
        files = [sha256_file(path) for path in self._given.fingerprints.values()]
        parts = [self._given.identity, *self._given.fingerprints, *files, *self._keys]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _locate(self) -> Iterator[Finding]:
        kept = self.read_kept()
        late = [
            LateHits(self._job.folder, detector.name)
            for detector in self._job.detectors
            if detector.conclude is not None
        ]
        for index in range(len(kept.metas)):
            hits = self._job.store.read_hits(index)
            for one in late:
                hits += one.read(index)
            hits.sort(key=lambda hit: hit.number)
            for hit in hits:
                yield from self._build_finding(hit, kept)

    def read_insights(self) -> dict[str, Any]:
        """What detectors told of the whole set, by name, once `run` has concluded."""
        found: dict[str, Any] = {}
        for detector in self._job.detectors:
            if detector.conclude is not None:
                found |= LateHits(self._job.folder, detector.name).read_insights()
        return found

    def read_kept(self) -> Kept:
        """What the first pass kept of all pieces."""
        return Kept(
            self._job.store, [self._job.store.read_meta(one) for one in range(len(self._keys))]
        )

    def _build_finding(self, hit: Hit, kept: Kept) -> Iterator[Finding]:
        """The finding, unless the rule is off or its text stands on the allow-list."""
        setting, where = self._settings[hit.rule], kept.places
        if setting.severity is None or (hit.span and setting.allows(hit.span.text)):
            return
        yield Finding(
            file=where.file(hit.number),
            line=where.line(hit.number),
            row=where.row(hit.number),
            rule=hit.rule,
            severity=setting.severity,
            span=hit.span,
            evidence=hit.evidence,
            fix=hit.action or setting.action,
            number=hit.number,
            part=where.part(hit.number),
            index=where.index(hit.number),
            related=tuple(where.place(number) for number in hit.related),
            cluster=hit.cluster,
            repaired=hit.repaired,
            label=hit.label,
        )


def _begin(payload: bytes, pool: WorkerPool, here: Callable[[], None]) -> Callable[[], None]:
    """Begin work in another process; what is returned waits for it, and does it here if need be.

    Work that fails elsewhere fails here again, with its own error.
    """
    future = pool.submit(payload)

    def finish() -> None:
        try:
            done = future.result()
        except WorkerLost as error:
            if error.code < 0:
                raise
            done = b""
        if not done:
            here()

    return finish
