"""Erase rows from a store: of a person or by their ids; and find what was trained on them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.data.curate.batch import CheckedRow, iterate_texts
from assay.data.curate.mask_book import MaskBook
from assay.data.records import Record, canonical_json, iterate_named
from assay.data.versions import MASKS, Version, VersionStore
from assay.errors import DataError, Problem
from assay.runs import RunFolder, list_runs
from assay.runs.find import read_or_empty


@dataclass(frozen=True)
class Erased:
    """What was erased, and where it still is.

    Attributes:
        rows: ids of the rows that the new version lacks.
        places: ``file:line`` where they stood; the files themselves are the user's to change.
        older: ids of versions that still hold them, where they were not purged.
        purged: ids of versions that were removed with them.
        files: data files, outside the store, in which they stand.
    """

    version: Version
    rows: tuple[str, ...]
    places: tuple[str, ...]
    older: tuple[str, ...]
    purged: tuple[str, ...]
    files: tuple[str, ...]


@dataclass(frozen=True)
class TrainedRun:
    """A run that was trained on erased rows: how many, and whether it is released."""

    run: str
    path: str
    num_rows: int
    status: str


def erase_rows(
    store: VersionStore,
    *,
    rows: Sequence[str] = (),
    persons: Sequence[str] = (),
    book: MaskBook | None = None,
    purge: bool = False,
) -> Erased:
    """A new version without the rows with these ids, or that speak of these persons.

    Args:
        persons: a name, e-mail address or other text; looked for in every text and further column,
            whatever its case.
        book: the masks of the version, so that a person is found behind a placeholder.
        purge: remove the older versions that hold the rows, too; there is no undo then.

    Raises:
        DataError: the current version is the files themselves, or no row is found.
        ResourceError: the disk is full; nothing has changed then.
    """
    parent = store.current
    if parent.parent is None:
        do = "run `assay data curate` first, or remove them from the files"
        problem = Problem("a version that is the files themselves", "a version of rows", do)
        raise DataError(problem)
    wanted = _Wanted(frozenset(rows), _list_words(persons, book))
    erased = [record for record in store.records(parent) if wanted.fits(record)]
    if not erased:
        named = ", ".join(map(repr, [*rows, *persons]))
        do = "look them up: `assay data show STORE LINE` gives a row's id"
        got = f"{named}, which no row of the current version has"
        raise DataError(Problem(got, "ids or texts of its rows", do))
    ids = frozenset(record.id for record in erased)
    kept = (record for record in store.records(parent) if record.id not in ids)
    masks = store.folder(parent.id) / MASKS
    version = store.add(
        iterate_named(kept),
        parent=parent,
        made={"how": "erase", "counts": {"rows": len(erased)}},
        masks=masks.read_bytes() if masks.is_file() else None,
    )
    older = _find_older(store, version, {(one.file, one.line) for one in erased})
    if purge:
        for one in older:
            shutil.rmtree(store.folder(one))
    return Erased(
        version,
        tuple(record.id for record in erased),
        tuple(record.place for record in erased),
        () if purge else tuple(older),
        tuple(older) if purge else (),
        tuple(sorted({one.file for one in erased if Path(one.file).is_file()})),
    )


@dataclass(frozen=True)
class _Wanted:
    ids: frozenset[str]
    words: tuple[str, ...]

    def fits(self, record: Record) -> bool:
        if record.id in self.ids:
            return True
        if not self.words:
            return False
        texts = [text.text for text in iterate_texts(CheckedRow(0, "", record))]
        texts.append(canonical_json(record.extra))
        whole = "\n".join(texts).casefold()
        return any(word in whole for word in self.words)


def _list_words(persons: Sequence[str], book: MaskBook | None) -> tuple[str, ...]:
    """What to look for: the texts, and the placeholders of what they were."""
    words = [one.casefold() for one in persons]
    originals = book.originals.items() if book else ()
    masks = [
        placeholder.casefold()
        for placeholder, text in originals
        if any(word in text.casefold() for word in words)
    ]
    return tuple(words + masks)


def _find_older(store: VersionStore, newest: Version, places: set[tuple[str, int]]) -> list[str]:
    return [
        version.id
        for version in store.list()
        if version.id != newest.id
        and version.parent is not None
        and any((one.file, one.line) in places for one in store.records(version))
    ]


def find_trained(root: Path, erased: Erased) -> list[TrainedRun]:
    """Runs under `root` whose training rows hold erased ones: by id, or by file and line."""
    ids = {row.split("-")[0] for row in erased.rows}
    places = set(erased.places)
    found = []
    for summary in list_runs(root):
        run = RunFolder.open(summary.path)
        num_rows = sum(
            row.split("-")[0] in ids or place in places for row, place in _list_trained(run)
        )
        if num_rows:
            status = str(read_or_empty(run.verdict).get("status", "not judged"))
            found.append(TrainedRun(run.id, str(run.path), num_rows, status))
    return found


def _list_trained(run: RunFolder) -> Iterable[tuple[str, str]]:
    path = run.data / "train.parquet"
    return _read_places(path) if path.is_file() else ()


def _read_places(path: Path) -> Iterator[tuple[str, str]]:
    from pyarrow import parquet

    table = parquet.read_table(path, columns=["id", "file", "line"])
    for row in table.to_pylist():
        yield row["id"], f"{row['file']}:{row['line']}"
