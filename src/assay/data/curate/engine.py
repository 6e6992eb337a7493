"""Runs every detector over every row, in two passes and bounded memory.

The first pass reads, numbers and scans the rows in batches, and keeps each batch with its hits and
sketches in a work folder; the second lets detectors conclude from the sketches.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.detector import Detector, Given, Sketch
from assay.data.curate.detectors.reading import name_problem
from assay.data.curate.finding import Finding, Hit
from assay.data.curate.parts import ReadRow
from assay.data.curate.places import UNREAD, Places
from assay.data.curate.settings import Settings
from assay.data.records import compute_content_hash
from assay.errors import Problem

BATCH_ROWS = 2_000

Progress = Callable[[int, int], None]
"""Rows done, and rows in all as far as that is known (at least those done)."""


class Engine:
    """One check: its detectors, its settings, and the folder that it works in."""

    def __init__(
        self,
        detectors: Sequence[Detector],
        settings: Settings,
        *,
        work: Path,
        given: Given | None = None,
        progress: Progress = lambda done, total: None,
    ) -> None:
        self.settings = settings
        self.given = given or Given()
        self.places = Places()
        self.not_measured: dict[str, str] = {}
        self.num_rows = 0
        self._progress = progress
        self._work = work
        self._num_batches = 0
        self._starts: list[int] = []
        self._detectors = [one for one in detectors if self._is_ready(one)]

    def _is_ready(self, detector: Detector) -> bool:
        rules = [rule.name for rule in detector.rules if self.settings.is_on(rule.name)]
        reason = detector.is_ready(self.given, self.settings) if rules else None
        if reason is not None:
            self.not_measured |= dict.fromkeys(rules, reason)
        return bool(rules) and reason is None

    def run(self, rows: Iterable[ReadRow]) -> Iterator[Finding]:
        """The findings: of single rows as they are read, then those of many rows together."""
        for chunk in _chunks(rows, BATCH_ROWS):
            yield from self._locate(self._take(chunk))
            self._progress(len(self.places), len(self.places))
        for detector in self._detectors:
            if detector.conclude is not None:
                evidence = StoredEvidence(self, detector.name)
                yield from self._locate(detector.conclude(evidence, self.settings))

    def _take(self, chunk: list[ReadRow]) -> list[Hit]:
        hits: list[Hit] = []
        checked: list[CheckedRow] = []
        self._starts.append(len(self.places))
        for read in chunk:
            if read.record is None:
                index = None
                number = self.places.add(read.part, read.file, read.line, index, UNREAD)
                hits += [Hit(number, name_problem(one), _tell(one)) for one in read.problems]
                continue
            digest = compute_content_hash(read.record)
            number = self.places.add_record(read.part, read.record, digest)
            checked.append(CheckedRow(number, read.part, read.record))
        self.num_rows += len(checked)
        batch = Batch(checked)
        sketches: dict[str, Sketch] = {}
        for detector in self._detectors:
            if detector.scan is not None:
                hits += detector.scan(batch, self.settings)
            if detector.sketch is not None:
                sketches[detector.name] = detector.sketch(batch, self.settings)
        self._store(checked, sketches)
        return sorted(hits, key=lambda hit: hit.number)

    def _store(self, rows: list[CheckedRow], sketches: dict[str, Sketch]) -> None:
        for name, value in (("rows", rows), *sketches.items()):
            path = self._path(name, self._num_batches)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pickle.dumps(value))
        self._num_batches += 1

    def _path(self, name: str, batch: int) -> Path:
        return self._work / name / f"{batch:06}"

    def load(self, name: str) -> Iterator[Any]:
        """What the first pass kept under a name, batch by batch."""
        for batch in range(self._num_batches):
            path = self._path(name, batch)
            if path.exists():
                yield pickle.loads(path.read_bytes())

    def load_rows(self, numbers: Iterable[int]) -> dict[int, CheckedRow]:
        """Single rows, a batch at a time."""
        wanted = set(numbers)
        found: dict[int, CheckedRow] = {}
        for rows in self.load("rows"):
            if wanted:
                found |= {row.number: row for row in rows if row.number in wanted}
        return found

    def _locate(self, hits: Iterable[Hit]) -> Iterator[Finding]:
        for hit in hits:
            setting = self.settings[hit.rule]
            if setting.severity is None:
                continue
            if hit.span is not None and setting.allows(hit.span.text):
                continue
            where = self.places
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


class StoredEvidence:
    """What the first pass kept, as one detector may see it."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name

    @property
    def num_rows(self) -> int:
        """Rows that could be read."""
        return self._engine.num_rows

    @property
    def given(self) -> Given:
        """What a model can tell."""
        return self._engine.given

    def sketches(self) -> Iterator[Sketch]:
        """The detector's own sketches, in the order of the rows."""
        return self._engine.load(self._name)

    def batches(self) -> Iterator[Batch]:
        """All rows again, in order."""
        return (Batch(rows) for rows in self._engine.load("rows"))

    def rows(self, numbers: Iterable[int]) -> dict[int, CheckedRow]:
        """Single rows again, by number."""
        return self._engine.load_rows(numbers)

    def place(self, number: int) -> str:
        """``file:line`` of a row."""
        return self._engine.places.place(number)


def _tell(problem: Problem) -> str:

    key = f"{problem.key}: " if problem.key else ""
    allowed = f", allowed {problem.allowed}" if problem.allowed else ""
    return f"{key}got {problem.got}{allowed}"


def _chunks(rows: Iterable[ReadRow], size: int) -> Iterator[list[ReadRow]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk
