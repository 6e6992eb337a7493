"""Faults at known places in clean rows, and what a check found of them; knows no rule."""

from __future__ import annotations

import copy
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from assay.config import SourceConfig
from assay.data.curate import Checked, Given, check_parts, list_rules, settle

Row = dict[str, Any]
Line = Row | str
"""A row, or a line that is no JSON."""
Make = Callable[[Row, Random], Line | None]


class Fault(NamedTuple):
    """One fault, or benign twin, of a rule: made of a copy of a clean row.

    `make` returns None where the row does not suit. `most` limits how many a set holds: a fault
    that many rows have is a habit of the data.
    """

    rule: str
    strength: str
    make: Make
    most: int | None = None


class Mark(NamedTuple):
    """What stands at a place."""

    rule: str
    strength: str


@dataclass(frozen=True)
class Case:
    """One set of rows to check.

    Attributes:
        kind: of the clean rows.
        rows: the training rows, faults and twins included.
        planted: place of a faulty row, from 0, and what is wrong with it.
        twins: place of a benign row, and what it looks like.
        held_out: rows of other parts by name (``test``, ``suite:NAME``).
        families: whose rules are looked for; empty: of all.
        any_of: a rule's fault counts as found where one of these rules finds it.
        named: the text that a finding must hold, where it must name something.
        rules: settings of rules, as in a recipe.
        provenance: of every row that says nothing itself.
        given: what a base can tell.
        head: the first line of a file of cells; without one the file has a JSON row a line.
        whole: what is wrong with the set itself, told at whichever row.
        whole_twin: what the set itself only looks like.
    """

    name: str
    kind: str
    rows: Sequence[Line]
    planted: Mapping[int, Mark] = field(default_factory=dict)
    twins: Mapping[int, Mark] = field(default_factory=dict)
    held_out: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    families: tuple[str, ...] = ()
    any_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    named: str = ""
    rules: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(
        default_factory=lambda: {"source": "a benchmark", "licence": "CC0-1.0"}
    )
    given: Given | None = None
    head: str = ""
    whole: Mark | None = None
    whole_twin: Mark | None = None


@dataclass
class Found:
    """What a check found in a case; info counts like any other severity.

    Attributes:
        rows: place to the rules that found something there.
        told: place to the clusters and evidence of its findings.
    """

    checked: Checked
    rows: dict[int, set[str]]
    told: dict[int, str]


def plant(
    clean: Sequence[Row],
    faults: Iterable[Fault],
    twins: Iterable[Fault] = (),
    *,
    count: int,
    seed: str,
) -> tuple[list[Line], dict[int, Mark], dict[int, Mark]]:
    """`clean` with `count` of each fault and twin in the place of rows of it.

    Raises:
        ValueError: more faults than two thirds of the clean rows.
    """
    draw = Random(seed)
    lines: list[Line] = list(clean)
    free = draw.sample(range(len(lines)), len(lines))
    marks: tuple[dict[int, Mark], dict[int, Mark]] = ({}, {})
    for kind, own in enumerate((faults, twins)):
        for fault in own:
            left = count if fault.most is None else min(count, fault.most)
            while left:
                if len(free) * 3 < len(lines):
                    raise ValueError(f"{len(lines)} rows are too few for {seed}")
                place = free.pop()
                made = fault.make(copy.deepcopy(clean[place]), draw)
                if made is not None:
                    lines[place] = made
                    marks[kind][place] = Mark(fault.rule, fault.strength)
                    left -= 1
    return lines, *marks


def find(case: Case) -> Found:
    """Check a case as `assay data check` would."""
    others = [
        name
        for name, rule in list_rules().items()
        if case.families and rule.family not in case.families
    ]
    with tempfile.TemporaryDirectory() as folder:
        parts = {}
        for number, (part, rows) in enumerate({"train": case.rows, **case.held_out}.items()):
            path = Path(folder) / f"{number}.{'csv' if case.head else 'jsonl'}"
            head = f"{case.head}\n" if case.head else ""
            path.write_text(head + "".join(f"{_spell(row)}\n" for row in rows), "utf-8")
            parts[part] = [SourceConfig(path=path.name, provenance=dict(case.provenance))]
        settings = settle({**dict.fromkeys(others, "off"), **case.rules})
        checked = check_parts(parts, base_dir=Path(folder), settings=settings, given=case.given)
        return _collect(checked, first_line=2 if case.head else 1)


def _spell(row: Line) -> str:
    return row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)


def _collect(checked: Checked, *, first_line: int) -> Found:
    rows: dict[int, set[str]] = defaultdict(set)
    told: dict[int, str] = defaultdict(str)
    for one in checked.findings:
        if one.part == "train":
            rows[one.line - first_line].add(one.rule)
            told[one.line - first_line] += f"{one.cluster} {one.evidence}\n"
    return Found(checked, dict(rows), dict(told))


@dataclass
class Tally:
    """Counts of many cases. Of planted rows and of twins by rule and strength; of clean rows by
    rule, for those rules alone that were looked for."""

    planted: Counter[Mark] = field(default_factory=Counter)
    found: Counter[Mark] = field(default_factory=Counter)
    named: Counter[Mark] = field(default_factory=Counter)
    twins: Counter[Mark] = field(default_factory=Counter)
    accused: Counter[Mark] = field(default_factory=Counter)
    clean: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)

    def add(self, case: Case, found: Found) -> None:
        """Count one case; a twin is accused by its own rule or those of the same fault."""
        for marks, num, hits in (
            (case.planted, self.planted, self.found),
            (case.twins, self.twins, self.accused),
        ):
            for place, mark in marks.items():
                num[mark] += 1
                own = {mark.rule, *case.any_of.get(mark.rule, ())}
                hits[mark] += bool(own & found.rows.get(place, set()))
        if case.whole or case.whole_twin:
            self._add_whole(case, found)
            return
        for place, mark in case.planted.items():
            told = found.told.get(place, "").casefold()
            self.named[mark] += bool(case.named) and case.named.casefold() in told
        rest = [n for n in range(len(case.rows)) if n not in case.planted and n not in case.twins]
        rules = {rule for rule, setting in found.checked.settings.rules.items() if setting.severity}
        self.clean.update(dict.fromkeys(rules - set(found.checked.not_measured), len(rest)))
        self.false.update(rule for place in rest for rule in found.rows.get(place, ()))

    def _add_whole(self, case: Case, found: Found) -> None:
        """Count a set of which one thing is asked, wherever in it that is told."""
        told = set().union(*found.rows.values())
        for mark, num, hits in (
            (case.whole, self.planted, self.found),
            (case.whole_twin, self.twins, self.accused),
        ):
            if mark is not None:
                num[mark] += 1
                hits[mark] += mark.rule in told
