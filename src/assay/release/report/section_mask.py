"""The loss mask as it was measured: counts, findings, and one example with trained text marked."""

from __future__ import annotations

from typing import Any

from assay.release.report.html import Html, clip, join, tag
from assay.release.report.pairs import pairs
from assay.release.report.source import ReportSource
from assay.runs.values import flatten, mapping, sequence, text

_MAX_CHARS = 6000
_APART = ("example", "findings", "pathologies")


def render_mask(source: ReportSource) -> Html:
    """The mask report of the training split (or of the first one there is)."""
    masks = mapping(source.data.get("masks"))
    mask = mapping(masks.get("train") or next(iter(masks.values()), None))
    if not mask:
        return tag("p", "The loss mask was not measured.", class_="missing")
    told = "Marked text is what the loss trains; all other text is only read."
    counts = {key: value for key, value in mask.items() if key not in _APART}
    return join(
        [
            tag("p", told, class_="intro"),
            _findings(mask),
            pairs(list(flatten(counts))),
            _example(mapping(mask.get("example"))),
        ]
    )


def _findings(mask: dict[str, Any]) -> Html:
    findings = [mapping(finding) for finding in sequence(mask.get("findings"))]
    if not findings:
        return tag("p", "No pathology was found.")
    rows = (
        tag(
            "li",
            tag("strong", text(one.get("name")).replace("_", " ")),
            f": {text(one.get('detail'))}",
        )
        for one in findings
    )
    return tag("ul", join(rows), class_="override findings")


def _example(example: dict[str, Any]) -> Html | None:
    shown, left = [], _MAX_CHARS
    for part in map(mapping, sequence(example.get("parts"))):
        words = text(part.get("text"))
        if words and left > 0:
            cut = clip(words, max_chars=left)
            shown.append(tag("mark", cut) if part.get("trained") else join([cut]))
            left -= len(words)
    if not shown:
        return None
    caption = tag("p", "Example ", tag("code", text(example.get("record_id"))), class_="caption")
    return join([caption, tag("pre", join(shown), class_="masked")])
