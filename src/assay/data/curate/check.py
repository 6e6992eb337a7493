"""Check data: files, records or a recipe's sources in, verdict and findings out; mends nothing."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from assay.data.curate.detector import Given
from assay.data.curate.detectors import list_detectors, list_rules
from assay.data.curate.engine import Engine, Progress
from assay.data.curate.finding import Finding
from assay.data.curate.parts import Parts, ReadRow, read_parts
from assay.data.curate.settings import Settings, resolve_settings
from assay.data.pathologies import PATHOLOGIES

Verdict = Literal["clean", "warnings", "refused"]


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        num_rows: rows of each part, those that cannot be read too.
        counts: for each rule with findings: findings, and the rows they are in.
        accepted: rules with errors that the user lets stand.
        not_measured: rule to the reason why it was not looked for.
        file: every finding, one JSON object a line, in the order of the rows.
    """

    verdict: Verdict
    num_rows: dict[str, int]
    counts: dict[str, dict[str, int]]
    accepted: tuple[str, ...]
    not_measured: dict[str, str]
    file: Path
    settings: Settings = field(repr=False)

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
) -> Checked:
    """Check the sources of each part (train, validation, test, ``suite:NAME``).

    Args:
        base_dir: where relative paths start.
        settings: by default every rule as it comes.
        given: what a model can tell; rules that need more are not measured.
        work: folder for what is kept between the passes; by default a temporary one.

    Raises:
        DataError: a source that cannot be read at all.
        ResourceError: the disk is full.
    """
    rows = read_parts(parts, base_dir=base_dir, system=system, group_by=group_by)
    return check_rows(rows, settings=settings, given=given, work=work, progress=progress)


def check_rows(
    rows: Iterable[ReadRow],
    *,
    settings: Settings | None = None,
    given: Given | None = None,
    work: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Checked:
    """As `check_parts`, for rows that are already being read."""
    settings = settings or resolve_settings(list_rules().values())
    work = work or Path(tempfile.mkdtemp(prefix="assay-check-"))
    engine = Engine(list_detectors(), settings, work=work, given=given, progress=progress)
    file = work / "findings.jsonl"
    findings = sorted(engine.run(rows), key=lambda one: one.number)
    file.write_text("".join(_line(one) for one in findings), encoding="utf-8")
    return _judge(findings, engine, settings, file)


def _line(finding: Finding) -> str:
    return json.dumps(finding.to_json(), ensure_ascii=False) + "\n"


def _judge(findings: Sequence[Finding], engine: Engine, settings: Settings, file: Path) -> Checked:
    counts = _count(findings)
    errors = {one.rule for one in findings if one.severity == "error"}
    accepted = tuple(sorted(rule for rule in errors if settings.accepts(rule)))
    verdict: Verdict = "clean"
    if any(one.severity != "info" for one in findings):
        verdict = "warnings"
    if errors - set(accepted):
        verdict = "refused"
    parts = Counter(engine.places.part(number) for number in range(len(engine.places)))
    return Checked(verdict, dict(parts), counts, accepted, engine.not_measured, file, settings)


def _count(findings: Iterable[Finding]) -> dict[str, dict[str, int]]:
    found: dict[str, list[int]] = {}
    for one in findings:
        found.setdefault(one.rule, []).append(one.number)
    order = sorted(found, key=lambda rule: (-len(found[rule]), rule))
    return {rule: {"findings": len(found[rule]), "rows": len(set(found[rule]))} for rule in order}


def settle(given: Mapping[str, Any] | None, accept: Sequence[str] = ()) -> Settings:
    """The settings of all rules from a recipe's `data.rules` and `data.accept`.

    `accept` may also name pathologies of the loss mask, which are no rules.

    Raises:
        DataError: unknown rules, options and values, all at once.
    """
    return resolve_settings(list_rules().values(), given, accept=accept, others=PATHOLOGIES)
