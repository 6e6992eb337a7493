"""The recipe's data section to splits: read, split, check for leaks, mix; it sees no token.

All that is wrong, in every file and split, is raised as one `DataError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from assay.data.curate.check import settle
from assay.data.curate.detectors.leakage import LEAKED_ROW
from assay.data.leak import Leak, count_shared_prompts, drop_leaks, find_leaks
from assay.data.mix import mix_sources
from assay.data.reach import select_reached
from assay.data.read import ReadResult, read_sources
from assay.data.records import Record, RowObjective
from assay.data.split import Splits, split_records
from assay.errors import DataError, Problem

if TYPE_CHECKING:
    from assay.config import DataConfig, SourceConfig


@dataclass(frozen=True)
class PreparedData:
    """Splits ready to be rendered, and what happened on the way.

    `reads` holds what was read for each split that names sources; `leaks` were dropped from
    `splits`; `shared_prompts` counts held-out rows whose prompt is also trained on;
    `num_unreached` are training rows that are not in `splits`, since no step would reach them.
    """

    splits: Splits
    reads: dict[str, ReadResult]
    leaks: list[Leak]
    shared_prompts: dict[str, int]
    seed: int
    num_unreached: int = 0

    @property
    def dropped_rows(self) -> list[Problem]:
        """The problems of every row that `on_bad_rows: drop` left out."""
        return [problem for read in self.reads.values() for problem in read.problems]


def keep_reached(data: PreparedData, *, num_needed: int) -> PreparedData:
    """The data with no more training rows than a run that draws `num_needed` has use for."""
    before = data.splits.train
    train = select_reached(before, num_needed=num_needed, seed=data.seed)
    splits = replace(data.splits, train=train)
    return replace(data, splits=splits, num_unreached=len(before) - len(train))


class RefusedData(DataError):
    """Data that cannot be used; `records` are the rows that could be read, by named split.

    With them a caller finds what else is wrong, so that all of it is told at once.
    """

    def __init__(self, problems: Sequence[Problem], records: dict[str, list[Record]]) -> None:
        super().__init__(problems)
        self.records = records


def prepare_data(
    config: DataConfig, *, base_dir: Path, seed: int, wanted: RowObjective = "answers"
) -> PreparedData:
    """Read what the recipe's data section names, and split it.

    Validation and test come from their own sources where the recipe gives them, else from
    `config.train` by ratio. The seed decides the split and which training rows of a weighted
    source are sampled; the order of rows in the files decides neither. `wanted` is what the
    objective learns from.

    Raises:
        RefusedData: every bad row (unless they are dropped), unreadable source and leak, together.
    """
    reads = _read_splits(config, base_dir=base_dir, wanted=wanted)
    refusals = [problem for read in reads.values() for problem in read.refusals]
    problems = [problem for read in reads.values() for problem in read.problems]
    stopping = refusals + (problems if config.on_bad_rows == "refuse" else [])
    records = {name: read.records for name, read in reads.items()}
    try:
        splits = _split(config, records, seed=seed)
    except DataError as error:
        # With rows missing from a broken file, a split that is too small says nothing new.
        raise RefusedData(stopping or error.problems, records) from error
    leaks = find_leaks(splits)
    settings = settle(config.rules, config.accept)
    drops = settings.carries_out(LEAKED_ROW.name, "drop")
    if leaks and not drops and not settings.accepts(LEAKED_ROW.name):
        stopping += [leak.to_problem() for leak in leaks]
    if stopping:
        raise RefusedData(stopping, records)
    leaks = leaks if drops else []
    splits = drop_leaks(splits, leaks)
    if leaks:
        _refuse_emptied(splits, reads, " after dropping leaks")
    mixed = replace(splits, train=mix_sources(splits.train, seed=seed))
    _refuse_emptied(mixed, reads, ": the weights leave none to train on")
    return PreparedData(mixed, reads, leaks, count_shared_prompts(mixed), seed)


def _read_splits(
    config: DataConfig, *, base_dir: Path, wanted: RowObjective
) -> dict[str, ReadResult]:
    sources: dict[str, Sequence[SourceConfig] | None] = {
        "train": config.train,
        "validation": config.validation,
        "test": config.test,
    }
    return {
        name: read_sources(
            given,
            base_dir=base_dir,
            system=config.system,
            group_by=config.group_by,
            wanted=wanted,
        )
        for name, given in sources.items()
        if given is not None
    }


def _split(config: DataConfig, records: dict[str, list[Record]], *, seed: int) -> Splits:
    """The split by ratio of the training sources, with the given splits in their places."""
    empty = [name for name, rows in records.items() if not rows]
    if empty:
        raise DataError([_no_rows(name) for name in empty])
    carved = split_records(
        records["train"],
        validation_ratio=0.0 if "validation" in records else config.validation_ratio,
        test_ratio=0.0 if "test" in records else config.test_ratio,
        seed=seed,
    )
    return replace(
        carved,
        validation=records.get("validation", carved.validation),
        test=records.get("test", carved.test),
    )


def _refuse_emptied(splits: Splits, reads: dict[str, ReadResult], why: str) -> None:
    parts = splits.as_dict()
    empty = [name for name in parts if not parts[name] and (name in reads or name == "train")]
    if empty:
        raise DataError([_no_rows(name, why) for name in empty])


def _no_rows(name: str, why: str = "") -> Problem:
    return Problem(
        f"no usable row{why}",
        "at least one row",
        "correct the rows, or name another file",
        key=f"data.{name}",
    )
