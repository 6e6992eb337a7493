"""Mend data: check, plan, carry out, check again; the outcome is a new version of a store."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.data.curate.apply import apply_actions
from assay.data.curate.card import count_composition, render_card
from assay.data.curate.check import Checked, check_rows
from assay.data.curate.detector import Given
from assay.data.curate.engine import Progress
from assay.data.curate.finding import Finding
from assay.data.curate.mask_book import MaskBook
from assay.data.curate.mask_key import open_book, seal_book
from assay.data.curate.masks import reserve_placeholders
from assay.data.curate.parts import Parts, ReadRow, add_parts, read_parts
from assay.data.curate.plan import Plan, join_plans, make_plan, name_files, write_plan
from assay.data.curate.settings import Settings
from assay.data.records import Record, iterate_named
from assay.data.sources import open_source
from assay.data.stored import iterate_records, write_records
from assay.data.versions import MASKS, Version, VersionStore
from assay.errors import DataError, Problem
from assay.runs import write_text

if TYPE_CHECKING:
    from assay.config import SourceConfig

MAX_PASSES = 4
"""What is mended can show what it hid, such as two rows that are copies once both are masked."""

Note = Callable[[str], None]


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
        DataError: a source that is no file here, whose bytes no hash can be taken of.
    """
    files = []
    for source in sources:
        for label in open_source(source, base_dir=base_dir).files:
            if not Path(label).is_file():
                allowed = "files on this machine, which a version can name by their hash"
                raise DataError(Problem("data elsewhere", allowed, "copy them here", file=label))
            files.append(Path(label))
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
    with tempfile.TemporaryDirectory(prefix="assay-curate-") as folder:
        passes = _Passes(parts, base_dir, settings, given, progress, Path(folder))
        plans: list[Plan] = []

        def carry_out(own: Plan) -> Checked:
            num_rows = passes.carry_out(own, book)
            plans.append(own)
            note(f"pass {len(plans)}: {_tell(own)}; {num_rows:,} rows are left")
            return passes.check()

        if plan is not None:
            checked = carry_out(_refuse_other(plan, parent, parts, base_dir))
        else:
            checked = passes.check()
            while len(plans) < MAX_PASSES and (not plans or checked.verdict == "refused"):
                own = make_plan(checked.findings, settings, of=parent.id)
                if not own.by_row():
                    break
                checked = carry_out(own)
        done = join_plans(plans) if plans else Plan(parent.id, ())
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


class _Passes:
    """The rows as the passes so far have left them: first in the files, then in a folder."""

    def __init__(
        self,
        parts: Parts,
        base_dir: Path,
        settings: Settings,
        given: Given | None,
        progress: Progress,
        folder: Path,
    ) -> None:
        self._parts, self._base_dir, self._settings = parts, base_dir, settings
        self._given = add_parts(given, parts, base_dir=base_dir)
        self._progress, self._folder = progress, folder
        self._rows: Path | None = None
        self._count = 0

    def read(self) -> Iterator[ReadRow]:
        if self._rows is None:
            yield from read_parts({"train": self._parts["train"]}, base_dir=self._base_dir)
        else:
            yield from (ReadRow("train", record) for record in iterate_records(self._rows))

    def check(self) -> Checked:
        """Every rule on the training rows as they are now, and the other parts as they stand."""
        others = {name: own for name, own in self._parts.items() if name != "train"}

        def rows() -> Iterator[ReadRow]:
            yield from self.read()
            yield from read_parts(others, base_dir=self._base_dir)

        self._count += 1
        return check_rows(
            rows(),
            settings=self._settings,
            given=self._given,
            work=self._folder / f"check-{self._count}",
            progress=self._progress,
        )

    def carry_out(self, plan: Plan, book: MaskBook) -> int:
        """Write the rows that the plan leaves, and return their number."""
        actions = plan.by_row()
        if any(one.fix == "mask" for own in actions.values() for one in own):
            reserve_placeholders((row.record for row in self.read() if row.record), book)
        target = self._folder / f"rows-{self._count}.parquet"

        def changed() -> Iterator[Record]:
            for number, read in enumerate(self.read()):
                own = _same_row(actions.get(number, []), read)
                row = _require_row(own, read)
                left = None if row is None else apply_actions(row, own, book)
                if left is not None:
                    yield left

        num_rows = write_records(target, iterate_named(changed()))
        if not num_rows:
            do = "keep some of them: edit the plan, or turn rules off"
            raise DataError(Problem("a plan that leaves no row", "at least one row", do))
        self._rows = target
        return num_rows

    def records(self) -> Iterator[Record]:
        """The rows that can be read, as they are now."""
        return iterate_named(read.record for read in self.read() if read.record is not None)


def _require_row(actions: Sequence[Finding], read: ReadRow) -> Record | None:
    """The row; None for one that cannot be read and is dropped, since no version can hold it."""
    if read.record is None and not any(one.fix == "drop" for one in actions):
        problem = replace(read.problems[0], do="let the plan drop the row, or correct the file")
        raise DataError(problem)
    return read.record


def _same_row(actions: list[Finding], read: ReadRow) -> list[Finding]:
    """The actions, or a refusal where the plan is of a row of another place."""
    for one in actions:
        if (one.file, one.line) != (read.file, read.line):
            raise DataError(
                Problem(
                    f"a row at {read.file}:{read.line}",
                    f"{one.place}, which the plan names as row {one.number}",
                    "check the data again: the files have changed",
                    file=read.file,
                    line=read.line,
                )
            )
    return actions


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


def _refuse_other(plan: Plan, parent: Version, parts: Parts, base_dir: Path) -> Plan:
    if plan.of in (parent.id, name_files(list_files(parts["train"], base_dir=base_dir))):
        return plan
    raise DataError(
        Problem(
            f"a plan of {plan.of}",
            f"a plan of {parent.id}, which these data are",
            "make a new plan with --dry-run: the data have changed",
        )
    )


def _tell(plan: Plan) -> str:
    done: dict[str, Any] = {}
    for counts in plan.counts.values():
        for action, count in counts.items():
            done[action] = done.get(action, 0) + count
    return ", ".join(f"{action} {count:,}" for action, count in sorted(done.items()))
