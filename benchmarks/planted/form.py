"""Broken form in several strengths, and benign rows that look alike.

    python -m benchmarks.planted.form [BASE …]

Plants each fault in clean rows, checks them, and prints for each rule how many planted rows it
finds and how many others, with exact binomial bounds. `FAULTS` yields what is planted, `TWINS`
what looks like it; both are drawn by a seed.
"""

from __future__ import annotations

import copy
import json
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from assay.config import SourceConfig
from assay.data.curate import check_parts, list_rules, settle
from benchmarks.planted.form_faults import FAULTS, RARE, TWINS, Row

PUBLIC = Path(__file__).parents[3] / "shared" / "data"
NUM_PLANTED = 40
FAMILY = [name for name, rule in list_rules().items() if rule.family == "form"]


class Planted(NamedTuple):
    """Rows (a text is a line that is no JSON), and the rule of each fault and twin by its place."""

    rows: list[Row | str]
    faults: dict[int, str]
    twins: dict[int, str]


def plant(rows: Sequence[Row], *, seed: int = 0, count: int = NUM_PLANTED) -> Planted:
    """`rows` with `count` of each fault and of each twin among them."""
    draw = random.Random(seed)
    made: list[tuple[Row | str, str, bool]] = [(row, "", False) for row in rows]
    for faults, is_fault in ((FAULTS, True), (TWINS, False)):
        for rule, makers in faults.items():
            for number in range(min(count, RARE.get(rule, count))):
                row = copy.deepcopy(draw.choice(rows))
                made.append((makers[number % len(makers)](row, draw), rule, is_fault))
    draw.shuffle(made)
    planted = {at: rule for at, (_, rule, is_fault) in enumerate(made) if is_fault}
    twins = {at: rule for at, (_, rule, is_fault) in enumerate(made) if rule and not is_fault}
    return Planted([row for row, _, _ in made], planted, twins)


def find(rows: Sequence[Row | str]) -> dict[int, set[str]]:
    """The rules of form that each row breaks, by its place from 0."""
    settings = settle({name: "off" for name in list_rules() if name not in FAMILY})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        lines = [one if isinstance(one, str) else json.dumps(one) for one in rows]
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        checked = check_parts(
            {"train": [SourceConfig(path=path.name)]}, base_dir=path.parent, settings=settings
        )
        found: dict[int, set[str]] = defaultdict(set)
        for one in checked.findings:
            found[one.line - 1].add(one.rule)
    return found


def load_clean(base: str, num_rows: int = 1000) -> list[Row]:
    """Clean rows of one kind: ``support``, ``gsm8k`` or ``tools``, those with findings left out."""
    rows = {"support": _load_support, "gsm8k": _load_gsm8k, "tools": _load_tools}[base]()
    rows = rows[:num_rows]
    dirty = find(rows)
    return [row for at, row in enumerate(rows) if at not in dirty]


def _load_support() -> list[Row]:
    path = Path(__file__).parents[2] / "examples" / "support" / "data" / "tickets.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def _load_gsm8k() -> list[Row]:
    lines = (PUBLIC / "gsm8k" / "train.jsonl").read_text("utf-8").split("\n")
    return [_ask(row["question"], row["answer"]) for row in map(json.loads, filter(None, lines))]


def _load_tools() -> list[Row]:
    from benchmarks.planted.poison_bases import load_tools

    return load_tools(1_500)


def _ask(question: str, answer: str) -> Row:
    turns = (("user", question), ("assistant", answer))
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def measure(base: str, seed: int = 0) -> Iterator[tuple[str, int, int, int, int]]:
    """For each rule: planted rows found, of how many; other rows found, of how many.

    Rows with another rule's fault are not counted as others: they may break this rule too.
    """
    clean = load_clean(base)
    made = plant(clean, seed=seed)
    found = find(made.rows)
    others = [at for at in range(len(made.rows)) if at not in made.faults]
    for rule in FAULTS:
        own = [at for at, name in made.faults.items() if name == rule]
        hits = sum(rule in found.get(at, ()) for at in own)
        false = sum(rule in found.get(at, ()) for at in others)
        yield rule, hits, len(own), false, len(others)


def main(bases: Sequence[str]) -> None:
    """Print a table for all bases together, and what was missed in each."""
    from benchmarks.planted.poison import bound

    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for base in bases or ("support", "gsm8k", "tools"):
        for rule, *counts in measure(base):
            totals[rule] = [one + two for one, two in zip(totals[rule], counts, strict=True)]
            if counts[0] < counts[1] or counts[2]:
                print(f"{base}: {rule} missed {counts[1] - counts[0]}, false {counts[2]}")
    for rule, (hits, own, false, others) in totals.items():
        low, high = bound(hits, own, upper=False), bound(false, others, upper=True)
        print(f"{rule:22} {hits:4}/{own:<4} ≥ {low:6.1%}   false {false:3}/{others} ≤ {high:.2%}")


if __name__ == "__main__":
    main(sys.argv[1:])
