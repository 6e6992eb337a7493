"""Writes data-report.html of a check, of a curated version and of a run's data; it checks nothing.

The rows are read once more for it, in the order in which they were checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from assay.data import Record
from assay.data.curate import Checked
from assay.data.curate.changes import collect_changes, propose_changes
from assay.data.curate.curate import Curated
from assay.data.curate.parts import Parts, ReadRow, read_parts
from assay.data.curate.plan import hide_span
from assay.data.curate.survey import MAX_TOKENISED
from assay.data.versions import Version, VersionStore
from assay.release.data_report import DataPage, render_data_page
from assay.runs import write_text

if TYPE_CHECKING:
    from assay.chat import ChatTokenizer

PAGE = "report.html"


def write_check_page(
    path: Path,
    checked: Checked,
    rows: Iterable[ReadRow],
    *,
    title: str,
    tokenizer: ChatTokenizer | None = None,
    num_tokenised: int = MAX_TOKENISED,
    is_masked: bool = False,
) -> None:
    """Write the page of a check, with what a plan of its findings would do.

    Args:
        num_tokenised: training rows at most whose tokens are counted.
        is_masked: of what a plan would mask, only the ends are shown.

    Raises:
        DataError: a source that cannot be read any more.
        ResourceError: the disk is full.
    """
    page = DataPage.build(
        title,
        checked,
        rows,
        tokenizer=tokenizer,
        num_tokenised=num_tokenised,
        is_masked=is_masked,
    )
    records = {number: kept.record for number, kept in page.survey.rows.items()}
    findings = map(hide_span, checked.findings) if is_masked else checked.findings
    changes = propose_changes(findings, checked.settings, records)
    page = replace(page, changes=changes)
    write_text(path, render_data_page(page))


def write_version_page(
    store: VersionStore,
    done: Curated,
    parts: Parts,
    *,
    base_dir: Path,
    tokenizer: ChatTokenizer | None = None,
) -> Path:
    """Write the page of a new version into its folder: what is left, and what was changed.

    Args:
        parts: what was curated; of them, the parts beside the training rows are shown as they are.

    Raises:
        DataError: a source that cannot be read any more.
        ResourceError: the disk is full.
    """
    version = done.version
    others = {name: own for name, own in parts.items() if name != "train"}

    def rows() -> Iterator[ReadRow]:
        yield from (ReadRow("train", record) for record in store.records(version))
        yield from read_parts(others, base_dir=base_dir)

    page = DataPage.build(f"version {version.id}", done.checked, rows(), tokenizer=tokenizer)
    if version.parent is not None and done.plan.actions:
        before = read_version(store, store.load(version.parent))
        changes = collect_changes(done.plan, before, store.records(version), done.checked.findings)
        page = replace(page, changes=changes)
    path = store.folder(version.id) / PAGE
    write_text(path, render_data_page(page))
    return path


def read_version(store: VersionStore, version: Version) -> Iterator[Record]:
    """The rows of any version; the first one's are read from its files."""
    from assay.config import SourceConfig

    if version.parent is not None:
        return store.records(version)
    parts = {"train": [SourceConfig(**source) for source in version.sources]}
    reads = read_parts(parts, base_dir=Path(version.base_dir))
    return (read.record for read in reads if read.record is not None)
