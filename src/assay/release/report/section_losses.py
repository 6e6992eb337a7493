"""What stands behind the gates of no loss: answers that the base gave better; decides nothing."""

from __future__ import annotations

from assay.evaluate.items import GUARDED
from assay.evaluate.suites import PLAIN
from assay.release import wording
from assay.release.gates import Gate
from assay.release.report.html import Html, join, tag
from assay.release.report.marks import outcome_badge
from assay.release.report.section_items import ShownItem, read_items, render_cards
from assay.release.report.source import ReportSource
from assay.runs.values import dig, text

_NUM_SHOWN = 4
_ARMS = ("base", "tuned")
"""Suites that guard the base are asked of these alone."""


def render_losses(source: ReportSource) -> Html | None:
    """One block a kind, those whose gate failed first and open; None where nothing was lost."""
    gates = {gate.name: gate for gate in source.gates}
    lost = {kind: found for kind in GUARDED if (found := _find_lost(source, kind))}
    if not lost:
        return None
    intro = (
        "Questions that the base answered better than the tuned model, the greatest losses first. A"
        " few are lost by chance; the gates say where there are more than that."
    )
    ordered = sorted(lost, key=lambda kind: not _has_failed(gates.get(kind)))
    blocks = [_block(kind, lost[kind], gates.get(kind)) for kind in ordered]
    return join([tag("p", intro, class_="intro"), *blocks])


def _find_lost(source: ReportSource, kind: str) -> list[ShownItem]:
    """Items that lost of the suites that a kind's gate reads, the greatest loss first."""
    names = {
        suite.name
        for suite in source.suites
        if suite.kind == kind
        and (text(dig(source.evaluation, "suites", suite.name, "format")) or PLAIN) == PLAIN
    }
    items = read_items([row for row in source.items if row.get("suite") in names])
    return sorted((item for item in items if item.gain < 0), key=lambda item: item.gain)


def _has_failed(gate: Gate | None) -> bool:
    return gate is not None and gate.outcome == "fail"


def _block(kind: str, items: list[ShownItem], gate: Gate | None) -> Html:
    title = wording.KIND_LABELS.get(kind, kind)
    count = f"{len(items):,} item{'s' if len(items) != 1 else ''} lost"
    summary = tag(
        "summary",
        outcome_badge(gate.outcome) if gate else None,
        Html(" "),
        tag("strong", f"{title[0].upper()}{title[1:]}"),
        Html(" "),
        tag("small", count),
    )
    reason = tag("p", gate.reason) if gate else None
    return tag(
        "details",
        summary,
        reason,
        render_cards(items[:_NUM_SHOWN], arms=_ARMS),
        class_="losses",
        open="open" if _has_failed(gate) else None,
    )
