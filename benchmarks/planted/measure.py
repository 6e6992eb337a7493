"""Runs the checks of all cases, and makes of their counts the results file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.data.curate import list_rules
from benchmarks.planted.bounds import find_lower, find_upper
from benchmarks.planted.case import Case, Found, Tally, find
from benchmarks.planted.clean import ABSENT, KINDS, load_clean
from benchmarks.planted.desk import draw_desk_rows
from benchmarks.planted.families import CHEAP, PER_KIND, SETS, make_clusters

RESULTS = Path(__file__).parents[1] / "results"
COUNTS = {"desk": 40, "gsm8k": 15, "tools": 5}
"""How many of each fault and strength are planted in a kind; as many as its rows hold."""
NUM_DESKS = 10
"""Desks of other rows in which the cheap rules' faults are planted: 400 of each kind and more."""
Tell = Callable[[str], None]


def iterate_cases(
    names: Sequence[str], *, num_rows: int | None = None, num_desks: int = NUM_DESKS
) -> Iterator[Case]:
    """All cases of the named families (`PER_KIND`, `SETS`), clean rows first."""
    for kind in KINDS:
        rows = load_clean(kind, num_rows)
        if not rows:
            continue
        if kind == "desk":
            yield Case("clean desk", kind, rows)
        for name, make in PER_KIND.items():
            if name in names:
                yield from make(kind, rows, COUNTS[kind])
    for number in range(2, num_desks + 1):
        rows = draw_desk_rows(num_rows or 10_000, seed=number)
        for name in CHEAP:
            if name in names:
                yield from PER_KIND[name](f"desk {number}", rows, COUNTS["desk"])
    yield from make_clusters([name for name in SETS if name in names])


def measure(cases: Iterator[Case], *, tell: Tell = print) -> tuple[Tally, list[dict[str, Any]]]:
    """The counts of all cases, and one line of the results for each."""
    tally, records = Tally(), []
    for case in cases:
        found = find(case)
        record = _record(case, found)
        tally.add(case, found)
        records.append(record)
        tell(json.dumps(record, ensure_ascii=False))
    return tally, records


def _record(case: Case, found: Found) -> dict[str, Any]:
    own = Tally()
    own.add(case, found)
    missed = {f"{one.rule}: {one.strength}": n - own.found[one] for one, n in own.planted.items()}
    return {
        "case": case.name,
        "rows": len(case.rows),
        "planted": own.planted.total(),
        "found": own.found.total(),
        **({"named": own.named.total()} if case.named else {}),
        "missed": {name: count for name, count in missed.items() if count},
        "accused": {f"{one.rule}: {one.strength}": n for one, n in own.accused.items() if n},
        "false": dict(own.false),
    }


def summarise(tally: Tally) -> dict[str, Any]:
    """Each rule's counts with exact 95 % bounds."""
    rules = {}
    for name in list_rules():
        planted = {mark: count for mark, count in tally.planted.items() if mark.rule == name}
        if not planted:
            continue
        found = sum(tally.found[mark] for mark in planted)
        num, clean, false = sum(planted.values()), tally.clean[name], tally.false[name]
        twins = {mark: count for mark, count in tally.twins.items() if mark.rule == name}
        rules[name] = {
            "planted": num,
            "found": found,
            "at_least": round(find_lower(found, num), 4),
            "strengths": {
                mark.strength: [tally.found[mark], count] for mark, count in planted.items()
            },
            "named": sum(tally.named[mark] for mark in planted),
            "twins": sum(twins.values()),
            "accused": sum(tally.accused[mark] for mark in twins),
            "clean": clean,
            "false": false,
            "at_most": round(find_upper(false, clean), 5),
        }
    return rules


def list_looks(tally: Tally) -> dict[str, list[int]]:
    """Benign texts that look like any of a family: rows accused, and all."""
    families = {rule.family for rule in list_rules().values()}
    looks: dict[str, list[int]] = {}
    for mark, count in tally.twins.items():
        if mark.rule in families:
            known = looks.setdefault(mark.rule, [0, 0])
            known[0] += tally.accused[mark]
            known[1] += count
    return looks


def build_results(tally: Tally, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Everything that a results file holds."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "left_out": {kind: ABSENT for kind in KINDS if not load_clean(kind)},
        "rules": summarise(tally),
        "looks_like": list_looks(tally),
        "cases": list(records),
    }


def save_results(results: dict[str, Any], *, folder: Path = RESULTS) -> Path:
    """Write today's file; what an earlier run of today measured, and this one did not, stays."""
    path = folder / f"planted-{results['date']}.json"
    if path.is_file():
        results = _merge(json.loads(path.read_text("utf-8")), results)
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


def _merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    cases = {one["case"]: one for one in [*old["cases"], *new["cases"]]}
    rules = {**old["rules"], **new["rules"]}
    looks = {**old["looks_like"], **new["looks_like"]}
    return {**old, **new, "rules": rules, "looks_like": looks, "cases": list(cases.values())}


def load_results(date: str, *, folder: Path = RESULTS) -> dict[str, Any]:
    """What `save_results` wrote on a day."""
    results: dict[str, Any] = json.loads((folder / f"planted-{date}.json").read_text("utf-8"))
    return results
