"""A check as a person reads it on a terminal: verdict, counts by rule, the worst rows."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.data.curate import Checked, Finding

_WORST = 20
_ORDER = {"error": 0, "warning": 1, "info": 2}


def render_checked(checked: Checked) -> str:
    """The whole text, worst rules first."""
    rows = ", ".join(f"{part} {count:,}" for part, count in checked.num_rows.items())
    lines = [f"{checked.verdict}: {rows} rows", ""]
    severities = {name: one.severity for name, one in checked.settings.rules.items()}
    for rule in sorted(checked.counts, key=lambda name: _ORDER[severities[name] or "info"]):
        count = checked.counts[rule]
        accepted = ", accepted" if rule in checked.accepted else ""
        lines.append(
            f"{severities[rule]:8} {rule:28} {count['findings']:>8,} in {count['rows']:,} rows"
            f"{accepted}"
        )
    lines.append("")
    worst = sorted(islice(checked.findings, 100_000), key=lambda one: _ORDER[one.severity])
    lines += [render_finding(one) for one in worst[:_WORST]]
    hidden = sum(count["findings"] for count in checked.counts.values()) - _WORST
    if hidden > 0:
        lines.append(f"… and {hidden:,} more; --json lists all")
    lines += [f"not measured: {rule}: {why}" for rule, why in checked.not_measured.items()]
    return "\n".join(lines)


def render_finding(finding: Finding) -> str:
    """One line: place, rule, span and evidence."""
    span = f" ⟦{finding.span.text}⟧" if finding.span else ""
    return f"{finding.place} {finding.severity} {finding.rule}:{span} {finding.evidence}"
