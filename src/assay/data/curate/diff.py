"""What differs between two versions of data: rows that went, came or changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from assay.data.curate.batch import CheckedRow, iterate_texts
from assay.data.curate.changes import hide_differing
from assay.data.curate.mask_book import PLACEHOLDER
from assay.data.records import Record, compute_content_hash


@dataclass(frozen=True)
class ChangedRow:
    """A row of the same place with other content: the texts that differ, before and after."""

    place: str
    before: str
    after: str
    texts: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class VersionDiff:
    """Places of rows that only the first or only the second has, and rows that changed."""

    removed: tuple[str, ...]
    added: tuple[str, ...]
    changed: tuple[ChangedRow, ...]
    num_same: int


def diff_records(a: Iterable[Record], b: Iterable[Record]) -> VersionDiff:
    """Compare rows by their place, ``file:line``; of the first, digests alone are held."""
    digests = {record.place: compute_content_hash(record) for record in a}
    seen: set[str] = set()
    added, same, differing = [], 0, []
    for record in b:
        seen.add(record.place)
        before = digests.get(record.place)
        if before is None:
            added.append(record.place)
        elif before == compute_content_hash(record):
            same += 1
        else:
            differing.append(record.place)
    removed = tuple(place for place in digests if place not in seen)
    changed = tuple(ChangedRow(place, "", "", ()) for place in differing)
    return VersionDiff(removed, tuple(added), changed, same)


def show_changes(diff: VersionDiff, a: Iterable[Record], b: Iterable[Record]) -> VersionDiff:
    """The diff with the texts of its changed rows; both are read once more.

    Of what a placeholder stands for on the other side only the ends are shown.
    """
    places = {one.place for one in diff.changed}
    before = {record.place: record for record in a if record.place in places}
    after = {record.place: record for record in b if record.place in places}
    changed = tuple(_compare(before[one.place], after[one.place]) for one in diff.changed)
    return VersionDiff(diff.removed, diff.added, changed, diff.num_same)


def _compare(a: Record, b: Record) -> ChangedRow:
    texts = [
        {text.path: text.text for text in iterate_texts(CheckedRow(0, "", record))}
        for record in (a, b)
    ]
    paths = list(dict.fromkeys([*texts[0], *texts[1]]))
    pairs = ((path, texts[0].get(path, ""), texts[1].get(path, "")) for path in paths)
    differing = tuple((path, *_hide_masked(old, new)) for path, old, new in pairs if old != new)
    return ChangedRow(a.place, a.id, b.id, differing)


def _hide_masked(a: str, b: str) -> tuple[str, str]:
    own, other = ({one.group() for one in PLACEHOLDER.finditer(text)} for text in (a, b))
    return (
        hide_differing(a, b) if other - own else a,
        hide_differing(b, a) if own - other else b,
    )
