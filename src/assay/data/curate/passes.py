"""Mending in passes: check, plan, carry out, check again; it knows no file and no version.

The rows stand wherever they are read from until the first plan is carried out, then in a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.data.curate.apply import apply_actions
from assay.data.curate.check import Checked, check_rows
from assay.data.curate.detector import Given
from assay.data.curate.engine import Progress
from assay.data.curate.finding import Finding
from assay.data.curate.mask_book import MaskBook
from assay.data.curate.masks import reserve_placeholders
from assay.data.curate.plan import Plan, join_plans, make_plan
from assay.data.curate.reading import ReadRow
from assay.data.curate.settings import Settings
from assay.data.records import Record, iterate_named
from assay.data.stored import iterate_records, write_records
from assay.errors import DataError, Problem

MAX_PASSES = 4
"""What is mended can show what it hid, such as two rows that are copies once both are masked."""

Note = Callable[[str], None]
Read = Callable[[], Iterator[ReadRow]]


@dataclass(frozen=True)
class Mended:
    """What was done in all, and what a check says of the rows now."""

    plan: Plan
    checked: Checked


class Passes:
    """The training rows as the passes so far have left them."""

    def __init__(
        self,
        read_train: Read,
        read_others: Read,
        *,
        settings: Settings,
        given: Given | None,
        folder: Path,
        progress: Progress = lambda done, total: None,
    ) -> None:
        """`read_others` gives the rows of the other parts, which are looked at and not mended."""
        self._read_train, self._read_others = read_train, read_others
        self._settings, self._given = settings, given
        self._progress, self._folder = progress, folder
        self._rows: Path | None = None
        self._count = 0

    def mend(self, book: MaskBook, *, of: str, note: Note = lambda text: None) -> Mended:
        """Plans and carries out until no error is left that a plan can mend."""
        checked = self.check()
        plans: list[Plan] = []
        while len(plans) < MAX_PASSES and (not plans or checked.verdict == "refused"):
            plan = make_plan(checked.findings, self._settings, of=of)
            if not plan.by_row():
                break
            checked = self._step(plan, book, len(plans) + 1, note)
            plans.append(plan)
        return Mended(join_plans(plans) if plans else Plan(of, ()), checked)

    def follow(self, plan: Plan, book: MaskBook, *, note: Note = lambda text: None) -> Mended:
        """Carries out this plan, and nothing after it."""
        return Mended(plan, self._step(plan, book, 1, note))

    def _step(self, plan: Plan, book: MaskBook, number: int, note: Note) -> Checked:
        num_rows = self.carry_out(plan, book)
        note(f"pass {number}: {_tell(plan)}; {num_rows:,} rows are left")
        return self.check()

    def read(self) -> Iterator[ReadRow]:
        """The training rows as they are now."""
        if self._rows is None:
            yield from self._read_train()
        else:
            yield from (ReadRow("train", record) for record in iterate_records(self._rows))

    def check(self) -> Checked:
        """Every rule on the training rows as they are now, and the other parts as they stand."""

        def rows() -> Iterator[ReadRow]:
            yield from self.read()
            yield from self._read_others()

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


def _tell(plan: Plan) -> str:
    done: dict[str, Any] = {}
    for counts in plan.counts.values():
        for action, count in counts.items():
            done[action] = done.get(action, 0) + count
    return ", ".join(f"{action} {count:,}" for action, count in sorted(done.items()))
