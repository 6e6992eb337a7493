"""How many clean files are refused: hundreds of small ones, drawn from all kinds of clean rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import exp, log
from random import Random
from typing import Any

from benchmarks.planted.bounds import find_upper
from benchmarks.planted.case import Case, Row, find
from benchmarks.planted.clean import KINDS, load_rows
from benchmarks.planted.schemas import follows_schemas

SMALLEST, LARGEST = 50, 2_000


def draw_files(num_files: int) -> Iterator[tuple[str, list[Row]]]:
    """Kind and rows of each file: 50 to 2,000 rows, small ones as often as large ones by ratio.

    Rows as they are, those with findings among them, but for rows that break their own tools'
    schemas: such a file is not clean. A file of a public kind is a draw of its rows.
    """
    kinds = {kind: list(filter(follows_schemas, load_rows(kind))) for kind in KINDS}
    for number in range(num_files):
        rng = Random(f"file {number}")
        kind = rng.choice([kind for kind, rows in kinds.items() if rows])
        largest = min(LARGEST, len(kinds[kind]))
        num_rows = round(exp(rng.uniform(log(SMALLEST), log(largest))))
        yield kind, rng.sample(kinds[kind], num_rows)


def measure_files(num_files: int) -> dict[str, Any]:
    """Files checked and refused, by kind, and the rules with errors."""
    num, refused = Counter[str](), Counter[str]()
    rules = Counter[str]()
    for kind, rows in draw_files(num_files):
        checked = find(Case("file", kind, rows)).checked
        num[kind] += 1
        if checked.verdict == "refused":
            refused[kind] += 1
            rules.update(
                rule for rule in checked.counts if checked.settings[rule].severity == "error"
            )
    return {
        "files": num.total(),
        "refused": refused.total(),
        "at_most": round(find_upper(refused.total(), num.total()), 4),
        "by_kind": {kind: [refused[kind], num[kind]] for kind in sorted(num)},
        "rules": dict(rules),
    }
