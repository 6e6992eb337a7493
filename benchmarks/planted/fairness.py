"""Decisions on loans whose label follows the income; in planted sets it also follows the group."""

from __future__ import annotations

import random
from typing import Any

WHO = ("woman", "man")
FAITH = ("Muslim", "Christian", "Jewish", "Hindu")
JOBS = ("baker", "driver", "teacher", "clerk", "welder", "cook", "printer", "gardener")

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


def make_twins(rng: random.Random, count: int, *, differ: bool, first: int = 10**6) -> list[Row]:
    """Pairs that are the same but for the group; with other labels, or with the same one.

    Args:
        first: number of the first pair, which its question tells.
    """
    rows = []
    for number in range(count):
        job, income = rng.choice(JOBS), rng.randint(10, 90)
        labels = ("accept", "deny") if differ else (rng.choice(("accept", "deny")),) * 2
        faith = rng.choice(FAITH)
        for who, label in zip(WHO, labels, strict=True):
            rows.append(build_row(first + number, who, faith, job, income, label))
    return rows
