"""Clean rows of three kinds, to plant faults in: an invented desk, public tool calls, GSM8K."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from random import Random

from benchmarks.planted import poison_bases
from benchmarks.planted.case import Case, Row, find
from benchmarks.planted.desk import draw_desk_rows

KINDS = ("desk", "tools", "gsm8k")
ABSENT = "the public data sets are not beside the repository"
"""Why a kind is left out."""


def load_rows(kind: str, num_rows: int | None = None) -> list[Row]:
    """Rows as they are: of the desk as many as wanted (10,000), of a public kind all at most.

    None where the public sets are not there.
    """
    if kind == "desk":
        return draw_desk_rows(num_rows or 10_000)
    if not poison_bases.PUBLIC.is_dir():
        return []
    rows = poison_bases.load_gsm8k(4_658) if kind == "gsm8k" else poison_bases.load_public_tools()
    Random(kind).shuffle(rows)
    return rows[:num_rows]


@cache
def load_clean(kind: str, num_rows: int | None = None) -> Sequence[Row]:
    """As `load_rows`; of public rows those alone in which no rule finds anything.

    What it finds there is looked at by itself (`benchmarks.planted.public`); here a row with a
    finding would hide whether a planted fault was found. The desk is clean by construction, so
    whatever is found there is a false alarm, and stays.
    """
    rows = load_rows(kind, num_rows)
    if kind == "desk":
        return rows
    found = find(Case(kind, kind, rows)).rows
    return [row for place, row in enumerate(rows) if not found.get(place)]
