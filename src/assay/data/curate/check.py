"""Check data: files, records or a recipe's sources in, verdict and findings out; mends nothing."""

from __future__ import annotations

import json
import os
import shutil
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal

from assay.data.curate.detector import Given
from assay.data.curate.detectors import list_detectors, list_rules
from assay.data.curate.engine import Engine, Progress
from assay.data.curate.finding import Finding, Severity
from assay.data.curate.parts import Parts, ReadRow, add_parts, cut_parts
from assay.data.curate.pieces import Piece, cut_rows
from assay.data.curate.settings import Settings, locate_paths, resolve_settings
from assay.data.pathologies import PATHOLOGIES, add_twins
from assay.runs.atomic import disk_full_named
from assay.runs.lock import FolderLock

Verdict = Literal["clean", "warnings", "refused"]

LOCK = "check.lock"
"""In the work folder, while a check goes on there."""


class Scratch:
    """A temporary folder that goes when nobody knows it any more, or when the program ends."""

    def __init__(self) -> None:
        self.folder = Path(mkdtemp(prefix="assay-check-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        num_rows: rows of each part, those that cannot be read too.
        counts: for each rule with findings: findings, and the rows they are in.
        accepted: rules with errors that the user lets stand.
        not_measured: rule to the reason why it was not looked for.
        insights: what was told of the whole set, as JSON by name: topics, balance, losses.
        file: every finding, one JSON object a line, in the order of the rows.
        scratch: the temporary folder of `file`, where the caller named none: it goes with this.
    """

    verdict: Verdict
    num_rows: dict[str, int]
    counts: dict[str, dict[str, int]]
    accepted: tuple[str, ...]
    not_measured: dict[str, str]
    file: Path
    settings: Settings = field(repr=False)
    scratch: Scratch | None = field(default=None, repr=False, compare=False)
    insights: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def findings(self) -> Iterator[Finding]:
        """Read from the file, one at a time."""
        with self.file.open(encoding="utf-8") as lines:
            for line in lines:
                yield Finding.from_json(json.loads(line))

    def to_json(self) -> dict[str, Any]:
        """The one object that `assay data check --json` prints."""
        return {
            "verdict": self.verdict,
            "rows": self.num_rows,
            "counts": self.counts,
            "accepted": list(self.accepted),
            "not_measured": self.not_measured,
            "insights": self.insights,
            "findings": [finding.to_json() for finding in self.findings],
        }


def check_parts(
    parts: Parts,
    *,
    base_dir: Path,
    settings: Settings | None = None,
    given: Given | None = None,
    work: Path | None = None,
    system: str | None = None,
    group_by: str | None = None,
    progress: Progress = lambda done, total: None,
    num_cpus: int | None = None,
) -> Checked:
    """Check the sources of each part (train, validation, test, ``suite:NAME``).

    Args:
        base_dir: where relative paths start.
        settings: by default every rule as it comes.
        given: what a model can tell; rules that need more are not measured.
        work: folder for what is kept between the passes, about as large as the data; a check that
            was cut off goes on there. By default a temporary one.
        num_cpus: processes at most; by default as many as this one may use CPUs.

    Raises:
        DataError: sources that cannot be read, all of them.
        CheckpointError: another check is at work in `work`.
        ResourceError: the disk is full.
    """
    pieces = cut_parts(parts, base_dir=base_dir, system=system, group_by=group_by)
    given = add_parts(given, parts, base_dir=base_dir)
    return _check(pieces, settings, given, work, progress, num_cpus)


def check_rows(
    rows: Iterable[ReadRow],
    *,
    settings: Settings | None = None,
    given: Given | None = None,
    work: Path | None = None,
    progress: Progress = lambda done, total: None,
    num_cpus: int | None = None,
) -> Checked:
    """As `check_parts`, for rows that are already being read."""
    return _check(cut_rows(rows), settings, given, work, progress, num_cpus)


def _check(
    pieces: Iterable[Piece],
    settings: Settings | None,
    given: Given | None,
    work: Path | None,
    progress: Progress,
    num_cpus: int | None,
) -> Checked:
    settings = settings or resolve_settings(list_rules().values())
    scratch = None if work else Scratch()
    folder = scratch.folder if scratch else work
    assert folder is not None
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / "findings.jsonl"
    with FolderLock(folder / LOCK, doing="checks data here", do="name another folder (--work)"):
        engine = Engine(
            list_detectors(),
            settings,
            work=folder,
            given=given,
            progress=progress,
            num_cpus=num_cpus,
        )
        tally = write_findings(engine.run(pieces), to=file)
        num_rows, insights = engine.read_kept().count_rows(), engine.read_insights()
    if scratch:
        for name in ("pieces", "late"):
            shutil.rmtree(folder / name, ignore_errors=True)
    checked = _judge(tally, engine, settings, file, num_rows, scratch)
    return replace(checked, insights=insights)


@dataclass
class Tally:
    """Findings and rows by rule, and the severities that there are, counted as they are written."""

    findings: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    severities: dict[str, Severity] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        rule = finding.rule
        self.findings[rule] += 1
        self.rows[rule] += self.last.get(rule) != finding.number
        self.last[rule] = finding.number
        self.severities[rule] = finding.severity


def write_findings(findings: Iterable[Finding], *, to: Path) -> Tally:
    """All findings to a file, one JSON object a line, in one piece or not at all.

    Raises:
        ResourceError: the disk is full.
    """
    tally = Tally()
    scratch = to.with_suffix(f".{os.getpid()}.tmp")
    with disk_full_named(to), scratch.open("w", encoding="utf-8") as lines:
        for finding in findings:
            tally.add(finding)
            lines.write(json.dumps(finding.to_json(), ensure_ascii=False) + "\n")
    os.replace(scratch, to)
    return tally


def _judge(
    tally: Tally,
    engine: Engine,
    settings: Settings,
    file: Path,
    num_rows: dict[str, int],
    scratch: Scratch | None,
) -> Checked:
    errors = {rule for rule, severity in tally.severities.items() if severity == "error"}
    accepted = tuple(sorted(rule for rule in errors if settings.accepts(rule)))
    verdict: Verdict = "clean"
    if set(tally.severities.values()) - {"info"}:
        verdict = "warnings"
    if errors - set(accepted):
        verdict = "refused"
    order = sorted(tally.rows, key=lambda rule: (-tally.findings[rule], rule))
    counts = {rule: {"findings": tally.findings[rule], "rows": tally.rows[rule]} for rule in order}
    return Checked(
        verdict, num_rows, counts, accepted, engine.not_measured, file, settings, scratch
    )


def settle(
    given: Mapping[str, Any] | None,
    accept: Sequence[str] = (),
    *,
    base_dir: Path | None = None,
) -> Settings:
    """The settings of all rules from a recipe's `data.rules` and `data.accept`.

    Files that options name are looked for from `base_dir`, by default from the current folder.

    `accept` may also name pathologies of the loss mask; where a rule looks for the same, it is
    accepted with it.

    Raises:
        DataError: unknown rules, options and values, all at once.
    """
    rules = list_rules().values()
    given = locate_paths(rules, given, base_dir) if given and base_dir else given
    settings = resolve_settings(rules, given, accept=accept, others=PATHOLOGIES)
    return replace(settings, accept=add_twins(accept))
