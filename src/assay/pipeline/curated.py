"""What rules say of the data of a run: checked after the split, before anything is tokenised.

Errors stop the run unless the recipe accepts their rule by name; actions that the recipe names are
carried out; all findings are kept in the run's folder, and the gate ``data`` reads their outcome.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.data import PreparedData, Record, Splits
from assay.data.curate import Checked, Finding, check_rows, settle
from assay.data.curate.apply import apply_actions
from assay.data.curate.check import Scratch, write_findings
from assay.data.curate.discreet import hide_private
from assay.data.curate.mask_book import MaskBook
from assay.data.curate.masks import reserve_placeholders
from assay.data.curate.parts import ReadRow
from assay.data.records import assign_ids
from assay.evaluate.items import Item
from assay.evaluate.suites import Suite
from assay.pipeline.data_page import PAGE, write_check_page
from assay.pipeline.given import list_unasked, tell_run
from assay.pipeline.job import Job
from assay.pipeline.stopping import TOKENISED, describe

Place = tuple[str, str, int, int | None]

FINDINGS = "findings.jsonl"
_NUM_TOKENISED = 200


@dataclass(frozen=True)
class CheckedData:
    """What a check found, twice: `whole` as actions need it, `told` as the run's folder keeps it.

    In `told` nothing private is whole (`assay.data.curate.discreet`), though its rows may be masked
    or dropped before anything of them is written. `whole` goes with this object.
    """

    whole: Checked
    told: Checked


def check_data(
    job: Job, parts: Mapping[str, Sequence[Record]], suites: Sequence[Suite]
) -> CheckedData:
    """Every rule over the rows of all splits, and over the questions that the gates will ask.

    Raises:
        DataError: unknown rules and options in the recipe.
        ResourceError: the disk is full.
    """
    rows = [*_list_rows(parts, suites)]
    names = (*parts, *(f"suite:{suite.name}" for suite in suites))
    whole = _check(job, rows, names)
    told = _keep_discreet(whole, rows, job.run.data / FINDINGS)
    write_check_page(
        job.run.data / PAGE,
        told,
        iter(rows),
        title=job.recipe.name or job.run.path.name,
        tokenizer=job.tokenizer,
        num_tokenised=_NUM_TOKENISED,
        is_masked=True,
    )
    for line in describe(told):
        job.progress.note(line)
    return CheckedData(whole, told)


def _check(job: Job, rows: Sequence[ReadRow], names: tuple[str, ...]) -> Checked:
    """The check, its findings in a temporary folder; what is found on the way is in the run's."""
    config, work = job.recipe.data, job.run.data / "check"
    settings = settle(config.rules, config.accept, base_dir=job.base_dir)
    checked = check_rows(
        rows,
        settings=settings,
        given=replace(tell_run(job.base, settings, config.rules), parts=names),
        work=work,
        progress=lambda done, total: job.progress.count("rows checked", done, len(rows)),
    )
    scratch = Scratch()
    file = Path(shutil.move(checked.file, scratch.folder / FINDINGS))
    shutil.rmtree(work)
    not_measured = {**checked.not_measured, **list_unasked(checked.not_measured)}
    return replace(checked, file=file, scratch=scratch, not_measured=not_measured)


def _keep_discreet(checked: Checked, rows: Sequence[ReadRow], path: Path) -> Checked:
    """The check with its findings in the run's folder."""
    findings = hide_private(checked.findings, checked.settings, lambda number: rows[number].record)
    write_findings(findings, to=path)
    return replace(checked, file=path, scratch=None)


def _list_rows(parts: Mapping[str, Sequence[Record]], suites: Sequence[Suite]) -> Iterator[ReadRow]:
    """Each row once, however often the weight of its source repeats it."""
    for part, records in parts.items():
        yield from (ReadRow(part, record) for record in _take_once(records).values())
    for suite in suites:
        for line, item in enumerate(suite.items, start=1):
            yield ReadRow(f"suite:{suite.name}", _to_record(item, suite.name, line))


def _take_once(records: Sequence[Record]) -> dict[Place, Record]:
    """The records by their place, in order; of one that is repeated the first."""
    once: dict[Place, Record] = {}
    for record in records:
        once.setdefault(_place(record), record)
    return once


def _place(record: Record) -> Place:
    return record.source, record.file, record.line, record.index


def _to_record(item: Item, suite: str, line: int) -> Record:
    """A suite's item as a row, the gold answer as its last turn where there is one."""
    reference = item.reference
    answer = reference if isinstance(reference, dict) else {"content": reference or ""}
    messages = [*item.messages, {"role": "assistant", **answer}]
    return Record(item.id, messages, item.tools, "chat", item.group, suite, line, suite)


def apply_named_actions(data: PreparedData, checked: Checked) -> tuple[PreparedData, int]:
    """The data with the actions that the recipe names carried out; and how many rows they changed.

    Nothing is done to the rows of suites.
    """
    actions: dict[int, list[Finding]] = {}
    for finding in checked.findings:
        if checked.settings[finding.rule].is_applied and finding.fix != "keep":
            actions.setdefault(finding.number, []).append(finding)
    book = MaskBook()
    for records in data.splits.as_dict().values():
        reserve_placeholders(records, book)
    kept: dict[str, list[Record]] = {}
    start = changed = 0
    for part, records in data.splits.as_dict().items():
        places = list(_take_once(records))
        own = {one: actions[n] for n, one in enumerate(places, start) if n in actions}
        left = [
            apply_actions(record, own[_place(record)], book) if _place(record) in own else record
            for record in records
        ]
        kept[part] = assign_ids(record for record in left if record is not None)
        start += len(places)
        changed += len(own)
    return replace(data, splits=Splits(**kept)), changed


def summarise(checked: Checked, *, num_changed: int) -> dict[str, Any]:
    """What data/report.json keeps of a check, and the gate ``data`` reads."""
    accepted = {rule: checked.counts[rule] for rule in checked.accepted if rule not in TOKENISED}
    return {
        "verdict": checked.verdict,
        "rows": checked.num_rows,
        "counts": checked.counts,
        "accepted": accepted,
        "not_measured": checked.not_measured,
        "num_changed_rows": num_changed,
        "file": FINDINGS,
    }
