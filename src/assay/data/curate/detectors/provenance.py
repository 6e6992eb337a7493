"""Where rows come from: source, licence, consent and date, by row or for a whole file.

A row says it in columns of its own (`source`, `license`, `consent`, `collected` and usual other
names); a file in the recipe's `provenance` of its source, which every row of it has then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import combinations
from typing import Any

import numpy as np

from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.detector import Detector, Evidence, Sketch
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.licences import find_conflict, find_licence
from assay.data.curate.settings import Settings

COLUMNS = {
    "source": ("source", "url", "source_url", "origin", "dataset", "citation"),
    "licence": ("license", "licence", "license_name", "licenses"),
    "consent": ("consent", "has_consent", "consent_given", "opt_in"),
    "collected": ("collected", "collected_at", "collection_date", "created_at", "date"),
}
"""Columns that say it, the first that a row has; a file's `provenance` has the names alone."""

_FAMILY = "provenance"
MISSING_SOURCE = Rule(
    "missing_source",
    _FAMILY,
    "info",
    "keep",
    "Rows that do not say where they come from, counted by file.",
)
MISSING_LICENCE = Rule(
    "missing_licence",
    _FAMILY,
    "info",
    "keep",
    "Rows that do not say under which licence they may be used, counted by file.",
)
UNKNOWN_LICENCE = Rule(
    "unknown_licence",
    _FAMILY,
    "warning",
    "keep",
    "A licence that the table does not know: somebody has to read it.",
)
NON_COMMERCIAL = Rule(
    "non_commercial_licence",
    _FAMILY,
    "warning",
    "keep",
    "Rows that may not be used commercially, or for research alone.",
)
NO_DERIVATIVES = Rule(
    "no_derivatives_licence",
    _FAMILY,
    "warning",
    "drop",
    "Rows of which nothing changed may be passed on, masked or mended ones included.",
)
SHARE_ALIKE = Rule(
    "share_alike_licence",
    _FAMILY,
    "info",
    "keep",
    "Rows whose licence asks that what is made of them be passed on under it.",
)
CONFLICT = Rule(
    "conflicting_licences",
    _FAMILY,
    "warning",
    "keep",
    "Rows of two licences that cannot be passed on together as one data set.",
)
NO_CONSENT = Rule(
    "no_consent",
    _FAMILY,
    "error",
    "drop",
    "A row whose own column says that there is no consent to its use, or no longer.",
)
ODD_DATE = Rule(
    "odd_date",
    _FAMILY,
    "warning",
    "keep",
    "A date of collection that is no date, or lies in the future.",
)
_NO = frozenset({"false", "no", "0", "none", "denied", "refused", "withdrawn", "revoked"})
_TERMS = {
    "non_commercial": NON_COMMERCIAL,
    "no_derivatives": NO_DERIVATIVES,
    "share_alike": SHARE_ALIKE,
}


def read_provenance(row: CheckedRow) -> dict[str, str]:
    """What is known of a row: any of source, licence, consent and collected, as text."""
    extra = row.record.extra
    of_file = extra.get("provenance")
    known: dict[str, str] = {}
    for name, columns in COLUMNS.items():
        value: Any = next((extra[one] for one in columns if extra.get(one) not in (None, "")), None)
        if value is None and isinstance(of_file, dict):
            value = of_file.get(name)
        if value is not None:
            known[name] = str(value)
    return known


def scan_provenance(batch: Batch, settings: Settings) -> Iterator[Hit]:
    """Rows without consent, and dates that cannot be."""
    today = datetime.now(UTC).date()
    for row in batch.rows:
        if row.part != "train" or not row.record.extra:
            continue
        known = read_provenance(row)
        if known.get("consent", "").strip().casefold() in _NO and "consent" in known:
            yield Hit(row.number, NO_CONSENT.name, f"consent: {known['consent']}")
        if "collected" in known and (reason := _find_odd(known["collected"], today)):
            yield Hit(row.number, ODD_DATE.name, f"collected: {known['collected']}, {reason}")


def _find_odd(text: str, today: date) -> str | None:
    try:
        day = datetime.fromisoformat(text.strip()).date()
    except ValueError:
        digits = text.strip()
        if digits.isdigit() and len(digits) == 4:
            return "which is in the future" if int(digits) > today.year else None
        return "which is no ISO 8601 date"
    return "which is in the future" if day > today else None


def sketch_provenance(batch: Batch, settings: Settings) -> Sketch:
    """Training rows of the batch by file and licence: first number, rows, rows without source."""
    groups: dict[tuple[str, str], list[int]] = {}
    for row in batch.rows:
        if row.part == "train":
            known = read_provenance(row) if row.record.extra else {}
            key = (row.record.file, known.get("licence", ""))
            counts = groups.setdefault(key, [row.number, 0, -1, 0])
            counts[1] += 1
            if "source" not in known:
                counts[2] = row.number if counts[2] < 0 else counts[2]
                counts[3] += 1
    return {
        "file": np.array([file for file, _ in groups], np.str_),
        "licence": np.array([licence for _, licence in groups], np.str_),
        "counts": np.array(list(groups.values()), np.int64).reshape(-1, 4),
    }


def conclude_provenance(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """A hit for each file that says nothing, each licence with terms, and each pair in conflict."""
    by_licence: dict[str, list[int]] = {}
    licensed: dict[str, dict[bool, list[int]]] = defaultdict(dict)
    unsourced: dict[str, list[int]] = {}
    totals: dict[str, int] = defaultdict(int)
    for sketch in evidence.sketches():
        rows = zip(sketch["file"], sketch["licence"], sketch["counts"], strict=True)
        for file, licence, (first, count, first_unsourced, num_unsourced) in rows:
            name, key = str(file), str(licence)
            totals[name] += int(count)
            _add(by_licence, key, int(first), int(count))
            if not key:
                _add(licensed[name], False, int(first), int(count))
            if num_unsourced:
                _add(unsourced, name, int(first_unsourced), int(num_unsourced))
    for name, (first, count) in unsourced.items():
        text = f"{count:,} of {totals[name]:,} rows of {name} name no source"
        yield Hit(first, MISSING_SOURCE.name, text)
    for name, found in licensed.items():
        if False in found:
            first, count = found[False]
            text = f"{count:,} of {totals[name]:,} rows of {name} name no licence"
            yield Hit(first, MISSING_LICENCE.name, text)
    by_licence.pop("", None)
    yield from _judge_licences(by_licence)


def _add(counts: dict[Any, list[int]], key: Any, first: int, count: int) -> None:
    known = counts.setdefault(key, [first, 0])
    known[1] += count


def _judge_licences(by_licence: dict[str, list[int]]) -> Iterator[Hit]:
    known = {}
    for name, (first, count) in by_licence.items():
        licence = find_licence(name)
        if licence is None:
            text = f"{_count(count)} under {name!r}, which the table does not know"
            yield Hit(first, UNKNOWN_LICENCE.name, text)
            continue
        known[licence.id] = (licence, first, count)
        for term, rule in _TERMS.items():
            if term in licence.terms:
                yield Hit(first, rule.name, f"{_count(count)} under {licence.id}")
    for (a, first_a, count_a), (b, first_b, count_b) in combinations(known.values(), 2):
        if reason := find_conflict(a, b):
            text = f"{_count(count_a)} under {a.id}, {count_b:,} under {b.id}: {reason}"
            yield Hit(first_a, CONFLICT.name, text, related=(first_b,))


def _count(rows: int) -> str:
    return f"{rows:,} row{'s' if rows != 1 else ''}"


DETECTORS = (
    Detector(
        _FAMILY,
        (
            MISSING_SOURCE,
            MISSING_LICENCE,
            UNKNOWN_LICENCE,
            NON_COMMERCIAL,
            NO_DERIVATIVES,
            SHARE_ALIKE,
            CONFLICT,
            NO_CONSENT,
            ODD_DATE,
        ),
        scan=scan_provenance,
        sketch=sketch_provenance,
        conclude=conclude_provenance,
    ),
)
