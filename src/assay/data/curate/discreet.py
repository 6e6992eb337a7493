"""Findings as a folder may keep them: no secret and nothing personal is told whole, by any rule.

The rules of `PRIVATE` families tell what is private. Of it only the ends are left, in their own
spans and wherever other findings quote it; offsets stay, so whoever has the rows finds the place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, islice

from assay.data.curate.detectors import list_rules
from assay.data.curate.finding import Finding, show_ends
from assay.data.curate.look import read_texts
from assay.data.curate.private_spans import PRIVATE, find_private_spans
from assay.data.curate.settings import Settings
from assay.data.records import Record

_CHUNK = 1_000

Told = tuple[str, ...]
"""The texts of a finding: evidence, span, repaired, label; those that are not there are empty."""


def hide_private(
    findings: Iterable[Finding], settings: Settings, record: Callable[[int], Record | None]
) -> Iterator[Finding]:
    """The findings in their order, all of one row behind one another.

    Args:
        record: a row by its number; None where it cannot be read.
    """
    own = _hide_own(findings, record)
    while chunk := list(islice(own, _CHUNK)):
        yield from _hide_quoted(chunk, settings)


def _hide_own(
    findings: Iterable[Finding], record: Callable[[int], Record | None]
) -> Iterator[Finding]:
    """What the private findings of a row are of, hidden in all findings of the row."""
    private = {name for name, rule in list_rules().items() if rule.family in PRIVATE}
    for number, group in groupby(findings, key=lambda one: one.number):
        own = list(group)
        spans = [one.span for one in own if one.rule in private and one.span is not None]
        row = record(number) if spans else None
        texts = read_texts(row) if row is not None else {}
        values = {texts.get(span.path, "")[span.start : span.end] for span in spans}
        told = {value: show_ends(value) for value in values if value.strip()}
        for one in own:
            shown = _rewrite(one, told) if told else one
            yield _show_ends(shown) if one.rule in private else shown


def _show_ends(finding: Finding) -> Finding:
    span = finding.span
    if span is None or "…" in span.text:
        return finding
    return replace(finding, span=replace(span, text=show_ends(span.text)))


def _replace(text: str, told: Mapping[str, str]) -> str:
    for value, shown in sorted(told.items(), key=lambda one: -len(one[0])):
        if value in text:
            plain = shown.replace("\\", r"\\")
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", plain, text)
    return text


def _rewrite(finding: Finding, told: Mapping[str, str]) -> Finding:
    def change(text: str) -> str:
        return _replace(text, told)

    span = finding.span
    return replace(
        finding,
        evidence=change(finding.evidence),
        span=span and replace(span, text=change(span.text)),
        repaired=finding.repaired and change(finding.repaired),
        label=finding.label and change(finding.label),
    )


def _list_told(finding: Finding) -> Told:
    span = finding.span.text if finding.span else ""
    return finding.evidence, span, finding.repaired or "", finding.label or ""


def _hide_quoted(findings: Sequence[Finding], settings: Settings) -> Iterator[Finding]:
    """What findings quote of other rows, found by the private rules in the quotations."""
    quoted = [_list_told(one) for one in findings]
    found: dict[int, dict[str, str]] = {}
    for number, place, _, span in find_private_spans(quoted, settings):
        value = quoted[number][place][span.start : span.end]
        found.setdefault(number, {})[value] = show_ends(value)
    for number, one in enumerate(findings):
        told = found.get(number, {})
        yield _rewrite(one, told) if told else one
