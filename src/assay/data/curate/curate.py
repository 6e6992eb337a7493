"""Mend data: check, plan, carry out, check again; the outcome is a new version of a store."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from assay.data.curate.card import count_composition, render_card
from assay.data.curate.check import Checked
from assay.data.curate.detector import Given
from assay.data.curate.engine import Progress
from assay.data.curate.mask_book import MaskBook
from assay.data.curate.mask_key import open_book, seal_book
from assay.data.curate.parts import Parts, add_parts, read_parts
from assay.data.curate.passes import Note, Passes
from assay.data.curate.plan import Plan, hide_masked, make_plan, name_files, write_plan
from assay.data.curate.settings import Settings
from assay.data.sources import open_source
from assay.data.versions import MASKS, Version, VersionStore
from assay.errors import DataError, Problem
from assay.runs import write_text

if TYPE_CHECKING:
    from assay.config import SourceConfig


@dataclass(frozen=True)
class Curated:
    """The new version, what was done in all, and what a check says of the version now."""

    version: Version
    plan: Plan
    checked: Checked


def plan_files(parts: Parts, checked: Checked, *, base_dir: Path) -> Plan:
    """The plan of what a check found in the training files of `parts`."""
    files = list_files(parts["train"], base_dir=base_dir)
    return make_plan(checked.findings, checked.settings, of=name_files(files))


def list_files(sources: Sequence[SourceConfig], *, base_dir: Path) -> list[Path]:
    """The files that sources name, each by its path.

    Raises:
        DataError: sources that cannot be opened, or are no file here whose bytes a hash could be
            taken of; all of them.
    """
    files: list[Path] = []
    problems: list[Problem] = []
    for source in sources:
        try:
            files += map(Path, open_source(source, base_dir=base_dir).files)
        except DataError as error:
            problems += error.problems
    allowed = "files on this machine, which a version can name by their hash"
    problems += [
        Problem("data elsewhere", allowed, "copy them here", file=str(file))
        for file in files
        if not file.is_file()
    ]
    if problems:
        raise DataError(problems)
    return files


def curate_parts(
    parts: Parts,
    *,
    out: Path,
    base_dir: Path,
    settings: Settings,
    plan: Plan | None = None,
    key: bytes | None = None,
    given: Given | None = None,
    progress: Progress = lambda done, total: None,
    note: Note = lambda text: None,
) -> Curated:
    """Mend the training sources of `parts` into a new version in the store `out`.

    Args:
        parts: as for `check_parts`; other parts than ``train`` are looked at for leaks alone.
        plan: carried out in place of the first pass's own, and nothing after it.
        key: 64 bytes; with it the masked texts are kept, encrypted, in the version.

    Raises:
        DataError: a source that cannot be read, a plan of other data, nothing left.
        ResourceError: the disk is full; the store is as it was then.
    """
    store, parent = _open_store(parts, out, base_dir)
    book = _open_masks(store, parent, key)
    train = {"train": parts["train"]}
    others = {name: own for name, own in parts.items() if name != "train"}
    with tempfile.TemporaryDirectory(prefix="assay-curate-") as folder:
        passes = Passes(
            lambda: read_parts(train, base_dir=base_dir),
            lambda: read_parts(others, base_dir=base_dir),
            settings=settings,
            given=add_parts(given, parts, base_dir=base_dir),
            folder=Path(folder),
            progress=progress,
        )
        if plan is not None:
            _refuse_other(plan, parent, parts, base_dir)
            mended = passes.follow(plan, book, note=note)
        else:
            mended = passes.mend(book, of=parent.id, note=note)
        done, checked = hide_masked(mended.plan), mended.checked
        path = Path(folder) / "plan.jsonl"
        write_plan(path, done)
        version = store.add(
            passes.records(),
            parent=parent,
            made={"how": "curate", "counts": done.counts, "verdict": checked.verdict},
            plan=path,
            masks=seal_book(book, key) if key and book.originals else None,
        )
        kept = store.folder(version.id) / "findings.jsonl"
        kept.write_bytes(checked.file.read_bytes())
        rows = count_composition(store.records(version))
        card = render_card(version, rows, name=out.stem, plan=done, checked=checked)
        write_text(store.folder(version.id) / "README.md", card)
    return Curated(version, done, replace(checked, file=kept))


def _open_store(parts: Parts, out: Path, base_dir: Path) -> tuple[VersionStore, Version]:
    """The store and the version to go on from: the current one of a store that is a source."""
    sources = parts["train"]
    if VersionStore.is_store(out):
        store = VersionStore(out)
        own = [base_dir / source.path for source in sources]
        if [path.resolve() for path in own] == [out.resolve()]:
            return store, store.current
    files = list_files(sources, base_dir=base_dir)
    store = VersionStore(out)
    described = [source.model_dump(exclude_unset=True) for source in sources]
    return store, store.start(described, [path.resolve() for path in files], base_dir.resolve())


def _open_masks(store: VersionStore, parent: Version, key: bytes | None) -> MaskBook:
    sealed = store.folder(parent.id) / MASKS
    return open_book(sealed.read_bytes(), key) if key and sealed.is_file() else MaskBook()


def _refuse_other(plan: Plan, parent: Version, parts: Parts, base_dir: Path) -> None:
    if plan.of in (parent.id, name_files(list_files(parts["train"], base_dir=base_dir))):
        return
    raise DataError(
        Problem(
            f"a plan of {plan.of}",
            f"a plan of {parent.id}, which these data are",
            "make a new plan with --dry-run: the data have changed",
        )
    )
