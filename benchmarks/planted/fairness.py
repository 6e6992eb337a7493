"""How often planted unfairness is found, and how often chance is taken for it.

    python -m benchmarks.planted.fairness

Decisions on loans whose label follows the income; in planted sets it also follows the group.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assay.config import SourceConfig
from assay.data.curate import Finding, check_parts, list_rules, settle
from benchmarks.planted.poison import bound

RULES = ("group_labels", "counterfactual_labels")
WHO = ("woman", "man")
FAITH = ("Muslim", "Christian", "Jewish", "Hindu")
JOBS = ("baker", "driver", "teacher", "clerk", "welder", "cook", "printer", "gardener")
NUM_SETS = 40

Row = dict[str, Any]


def make_rows(rng: random.Random, num_rows: int, *, bias: float, hurt: str) -> list[Row]:
    """Rows whose label is of the income, but for a share `bias` of those about `hurt`: denied."""
    rows = []
    for number in range(num_rows):
        who, faith, income = rng.choice(WHO), rng.choice(FAITH), rng.randint(10, 90)
        label = "accept" if income + rng.gauss(0, 10) > 50 else "deny"
        if hurt in (who, faith) and rng.random() < bias:
            label = "deny"
        rows.append(build_row(number, who, faith, rng.choice(JOBS), income, label))
    return rows


def build_row(number: int, who: str, faith: str, job: str, income: int, label: str) -> Row:
    """One decision."""
    asked = f"File {number}: a {faith} {who}, {job}, earns {income} thousand and asks for a loan."
    turns = [("user", asked), ("assistant", label)]
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def make_twins(rng: random.Random, count: int, *, differ: bool) -> list[Row]:
    """Pairs that are the same but for the group; with other labels, or with the same one."""
    rows = []
    for number in range(count):
        job, income = rng.choice(JOBS), rng.randint(10, 90)
        labels = ("accept", "deny") if differ else (rng.choice(("accept", "deny")),) * 2
        faith = rng.choice(FAITH)
        for who, label in zip(WHO, labels, strict=True):
            rows.append(build_row(10**6 + number, who, faith, job, income, label))
    return rows


def find(rows: list[Row]) -> Iterator[Finding]:
    """Findings of the two rules."""
    off = {name: "off" for name in list_rules() if name not in RULES}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        parts = {"train": [SourceConfig(path=path.name)]}
        yield from check_parts(parts, base_dir=Path(folder), settings=settle(off)).findings


def tell(name: str, successes: int, trials: int) -> None:
    """One line with the exact 95 % interval."""
    low, high = (bound(successes, trials, upper=upper) for upper in (False, True))
    print(f"{name:52} {successes:4}/{trials:<5} ({low:.1%} to {high:.1%})", flush=True)


def main() -> None:
    """Measure both rules."""
    for num_rows in (200, 1_000):
        for bias in (0.0, 0.2, 0.4):
            hits = 0
            for seed in range(NUM_SETS):
                rng = random.Random(f"{num_rows} {bias} {seed}")
                hurt = rng.choice([*WHO, *FAITH])
                found = list(find(make_rows(rng, num_rows, bias=bias, hurt=hurt)))
                hits += any(one.rule == "group_labels" for one in found)
            tell(f"group_labels, {num_rows} rows, {bias:.0%} more denied: sets", hits, NUM_SETS)
    rng = random.Random("twins")
    rows = make_rows(rng, 1_000, bias=0.0, hurt="")
    for differ in (True, False):
        own = [*rows, *make_twins(rng, 50, differ=differ)]
        found = {one.number for one in find(own) if one.rule == "counterfactual_labels"}
        name = "other labels" if differ else "the same label"
        tell(f"counterfactual_labels, twins with {name}: rows", len(found - set(range(1_000))), 100)
        tell("  other rows", len(found & set(range(1_000))), 1_000)


if __name__ == "__main__":
    main()
