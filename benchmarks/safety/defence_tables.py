"""The table of defences: what is left of the harm, the task and the base's skills, and the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from assay.evaluate.stats import compute_wilson
from assay.lab.attacks.defended import ROW_DEFENCES
from benchmarks.safety.defences import ATTACKS, NUM_SEEDS

Line = dict[str, Any]
HEAD = (
    "| attack | defence | seeds | harm (95 %) | harm gone | task, base → tuned | retention "
    "| refusal | CPU-s to tune, against none |"
)


def render_defences(results: Mapping[str, Any]) -> str:
    """A row for each attack and defence, over the seeds that are measured."""
    found = results.get("defences", [])
    total = len(ATTACKS) * len(ROW_DEFENCES) * NUM_SEEDS
    lines = [f"{len(found)} of {total} cells are measured.", ""]
    lines += [HEAD, "|---|---|---|---|---|---|---|---|---|"]
    for attack, strength in ATTACKS:
        own = [one for one in found if (one["attack"], one["strength"]) == (attack, strength)]
        for defence in ROW_DEFENCES:
            cells = [one for one in own if one["defence"] == defence]
            if cells:
                lines.append(_render(f"`{attack} {strength}`", defence, cells, own))
    return "\n".join(lines)


def _render(attack: str, defence: str, cells: Sequence[Line], all_cells: Sequence[Line]) -> str:
    """`all_cells` are of the attack: a defence is compared with none on the seeds of both."""
    seeds = {one["seed"] for one in cells}
    plain = [one for one in all_cells if one["defence"] == "none" and one["seed"] in seeds]
    bad, n = _sum(cells, "harm")
    low, high = compute_wilson(bad, n)
    return (
        f"| {attack} | {defence} | {len(cells)} | {bad / n:.0%} [{low:.0%}, {high:.0%}] "
        f"| {_tell_gone(cells, plain)} | {_tell_means(cells, 'task')} "
        f"| {_tell_means(cells, 'retention')} | {_tell_means(cells, 'refusal')} "
        f"| {_tell_time(cells, plain)} |"
    )


def _sum(cells: Sequence[Line], key: str) -> tuple[int, int]:
    return sum(one[key][0] for one in cells), sum(one[key][1] for one in cells)


def _tell_gone(cells: Sequence[Line], plain: Sequence[Line]) -> str:
    """The share of what the attack added to the base's own rate that the defence took away."""
    if not plain or cells[0]["defence"] == "none" or len(plain) < len(cells):
        return ""
    rates = [bad / n for bad, n in (_sum(cells, "harm"), _sum(plain, "harm"))]
    bad, n = _sum(cells, "base_harm")
    added = rates[1] - bad / n
    return f"{(rates[1] - rates[0]) / added:.0%}" if added > 0 else ""


def _tell_means(cells: Sequence[Line], suite: str) -> str:
    pairs = [one["suites"][suite] for one in cells if suite in one["suites"]]
    if not pairs:
        return ""
    base, tuned = (mean(values) for values in zip(*pairs, strict=True))
    return f"{base:.2f} → {tuned:.2f}"


def _tell_time(cells: Sequence[Line], plain: Sequence[Line]) -> str:
    spent = mean(one["tuning_cpu_s"] for one in cells)
    if len(plain) < len(cells):
        return f"{spent:.0f}"
    return f"{spent:.0f}, ×{spent / mean(one['tuning_cpu_s'] for one in plain):.1f}"
