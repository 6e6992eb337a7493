"""The table of what each suite and probe costs, from a results file."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

_APPLIED_S = 0.05
"""A probe that took less had nothing to look at."""


def render_cost(results: Mapping[str, Any]) -> str:
    """CPU time of each suite and probe where it applied; most of them with the base's part kept."""
    spent: dict[tuple[str, str], list[float]] = {}
    for cell in results["cells"]:
        for mode, judged in cell["judged"].items():
            for name, seconds in judged["cpu_s"].items():
                if seconds < _APPLIED_S:
                    continue
                spent.setdefault((name, f"{judged['policy']}, {mode}"), []).append(seconds)
    lines = ["| part | policy, rows | n | CPU-s, median | most |", "|---|---|---|---|---|"]
    lines += [
        f"| `{name}` | {where} | {len(all_s)} | {median(all_s):.1f} | {max(all_s):.1f} |"
        for (name, where), all_s in sorted(
            spent.items(), key=lambda one: (one[0][1], -median(one[1]))
        )
    ]
    whole = [cell["cpu_s"] for cell in results["cells"]]
    for name in ("tuning", "oracle"):
        all_s = [one[name] for one in whole if one.get(name)]
        if all_s:
            lines.append(
                f"| {name} of a fixture | | {len(all_s)} | {median(all_s):.1f} | {max(all_s):.1f} |"
            )
    return "\n".join(lines)
