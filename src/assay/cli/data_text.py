"""A check as a person reads it on a terminal: verdict, counts by rule, examples, what is next."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from assay.cli.data_insights import render_insights
from assay.cli.data_passage import Style, render_passage, show_plain

if TYPE_CHECKING:
    from assay.cli.data_asked import Asked
    from assay.data import Record
    from assay.data.curate import Checked, Finding

MAX_EXAMPLES = 20
"""Findings that are printed, those of errors first, and of each rule one before its second."""
MAX_LOOKED = 50_000
"""Rows that are read again for the text around a finding; later ones are shown without it."""
_ORDER = ("error", "warning", "info")
_PLURALS = {"error": "errors", "warning": "warnings", "info": "info"}


def render_checked(
    checked: Checked,
    *,
    asked: Asked | None = None,
    style: Style | None = None,
    verb: str = "check",
    report: str | None = None,
) -> str:
    """The whole text.

    Args:
        asked: what was checked; with it, examples are shown within their rows.
        verb: the verb that was called, which decides what is proposed next.
        report: the page that was written.
    """
    from assay.data.curate.look import pick_findings

    style = style or Style.of_terminal()
    worst = pick_findings(checked, most=MAX_EXAMPLES)
    rows = _load(asked, worst) if asked else {}
    found = [one for one in checked.findings if one.number in rows] if rows else []
    sections = [
        _render_verdict(checked, style),
        _render_counts(checked, style),
        render_insights(checked.insights),
        [line for one in worst for line in _render_example(one, rows, found, style)],
        _render_hidden(checked, len(worst), report),
        _render_unmeasured(checked, style),
        _advise(checked, style, verb=verb),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section)


def render_finding(finding: Finding) -> str:
    """One line: place, rule, span and evidence."""
    span = f" ⟦{show_plain(finding.span.text)}⟧" if finding.span else ""
    told = show_plain(finding.evidence)
    return f"{finding.place} {finding.severity} {finding.rule}:{span} {told}"


def _severity(checked: Checked, rule: str) -> str:
    return checked.settings[rule].severity or "info"


def _render_verdict(checked: Checked, style: Style) -> list[str]:
    parts = ", ".join(f"{part} {count:,}" for part, count in checked.num_rows.items())
    findings = sum(count["findings"] for count in checked.counts.values())
    told = f"{parts} rows; {findings:,} findings of {len(checked.counts)} rules"
    return [f"{style.paint(checked.verdict, checked.verdict)}: {told}"]


def _render_counts(checked: Checked, style: Style) -> list[str]:
    lines = []
    for severity in _ORDER:
        rules = [rule for rule in checked.counts if _severity(checked, rule) == severity]
        if rules:
            lines.append(style.paint(_PLURALS[severity], severity))
        lines += [_render_count(checked, rule) for rule in rules]
    return lines


def _render_count(checked: Checked, rule: str) -> str:
    count = checked.counts[rule]
    done = "accepted" if rule in checked.accepted else checked.settings[rule].action
    return f"  {rule:28} {count['findings']:>8,} in {count['rows']:>8,} rows  {done}"


def _load(asked: Asked, findings: Sequence[Finding]) -> dict[int, Record]:
    from assay.data.curate.look import load_rows

    numbers = [one.number for one in findings if one.number < MAX_LOOKED]
    return load_rows(
        asked.parts,
        numbers,
        base_dir=asked.base_dir,
        system=asked.system,
        group_by=asked.group_by,
    )


def _render_example(
    finding: Finding, rows: Mapping[int, Record], found: Sequence[Finding], style: Style
) -> Iterator[str]:
    head = f"{style.paint(finding.place, 'bold')} {style.paint(finding.severity, finding.severity)}"
    yield f"{head} {finding.rule}"
    passage = render_passage(finding, rows.get(finding.number), found, style)
    if passage:
        yield f"  {passage}"
    told = show_plain(finding.evidence)
    related = f" (with {', '.join(finding.related[:3])})" if finding.related else ""
    missing = related if not any(place in told for place in finding.related[:1]) else ""
    yield from textwrap.wrap(
        told + missing, style.width, initial_indent="  ", subsequent_indent="  "
    )


def _render_hidden(checked: Checked, shown: int, report: str | None) -> list[str]:
    hidden = sum(count["findings"] for count in checked.counts.values()) - shown
    where = f"{report} shows them" if report else "--report FILE.html shows them"
    if hidden > 0:
        return [f"… and {hidden:,} more findings; {where}, --json lists all"]
    return [f"the rows: {report}"] if report else []


def _render_unmeasured(checked: Checked, style: Style) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for rule, why in checked.not_measured.items():
        reasons.setdefault(why, []).append(rule)
    lines = []
    for why, rules in reasons.items():
        told = f"not measured: {', '.join(rules)}: {why}"
        lines += textwrap.wrap(told, style.width, subsequent_indent="  ")
    return lines


def _advise(checked: Checked, style: Style, *, verb: str) -> list[str]:
    """What can be done about it; nothing for clean data."""
    from assay.data.curate.plan import is_planned

    severities = {rule: _severity(checked, rule) for rule in checked.counts}
    errors = [r for r, one in severities.items() if one == "error" and r not in checked.accepted]
    weak = [rule for rule, one in severities.items() if one == "warning"]
    mended = {
        one.number
        for one in checked.findings
        if one.fix != "keep" and is_planned(one, checked.settings)
    }
    lines: list[tuple[str, str]] = []
    if mended and verb == "check":
        told = f"mends {len(mended):,} rows into a new version"
        lines.append(("assay data curate FILE…", f"{told}; --dry-run PLAN shows how first"))
    if errors:
        lines.append((f"--accept {errors[0]}", "lets errors of a rule stand (recipe: data.accept)"))
    if errors or weak:
        rule = (weak or errors)[0]
        lines.append((f"--rule {rule}=off", "or =info, or an action (recipe: data.rules)"))
    if not lines:
        return []
    wide = max(len(one) for one, _ in lines)
    rows = [f"  {style.paint(f'{one:{wide}}', 'bold')}  {told}" for one, told in lines]
    return ["what to do next", *rows]
