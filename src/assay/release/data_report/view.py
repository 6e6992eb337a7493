"""What the page's script shows: rules, findings and rows as plain values; secrets stay hidden.

Texts are bounded: what lies far from any finding is left out of long ones, which says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.data.curate import Finding, list_rules
from assay.data.curate.batch import CheckedRow
from assay.data.curate.detectors.provenance import read_provenance
from assay.data.curate.look import Piece, cut_text, hide, read_texts
from assay.data.curate.masks import put_text
from assay.data.curate.survey import KeptRow, is_trained
from assay.data.mask_text import split_marked
from assay.data.records import Record
from assay.data.rendered import Content, render_content
from assay.errors import AssayError

if TYPE_CHECKING:
    from assay.chat import ChatTokenizer
    from assay.release.data_report.page import DataPage

MAX_CHARS = 4_000_000
"""Characters of rows on one page; rows beyond are not shown in full."""
_MAX_PLAIN = 1_500
_MAX_RENDERED = 500
_ROLES = re.compile(r"messages\[(\d+)\]\.(.+)")
_UNSEEN = re.compile(
    "[\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff]"
)
_TURNING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def build_view(page: DataPage) -> dict[str, Any]:
    """Everything that the script needs; findings and rows refer to each other by index."""
    rows, index = _build_rows(page)
    rules = list_rules()
    cluster_of = {
        (cluster.rule, place): number
        for number, cluster in enumerate(page.drawn)
        for place in cluster.places
    }
    findings = [
        _build_finding(one, index.get(one.number, -1), cluster_of.get((one.rule, one.place)))
        for one in page.shown
    ]
    used = dict.fromkeys(one.rule for one in page.shown)
    return {
        "rules": {
            name: {
                "severity": page.checked.settings[name].severity,
                "family": rules[name].family,
                "meaning": rules[name].meaning,
            }
            for name in used
        },
        "findings": findings,
        "rows": rows,
    }


def spell_unseen(text: str, *, is_marked: bool) -> str:
    """`text` without characters that hide or turn it; within marks, without any that is unseen."""
    spelled = _TURNING.sub(_spell, text)
    return _UNSEEN.sub(_spell, spelled) if is_marked else spelled


def _spell(found: re.Match[str]) -> str:
    code = ord(found.group())
    return chr(0x2400 + code) if code < 0x20 else f"⟨U+{code:04X}⟩"


def _build_finding(one: Finding, row: int, cluster: int | None) -> dict[str, Any]:
    value: dict[str, Any] = {
        "rule": one.rule,
        "severity": one.severity,
        "place": one.place,
        "part": one.part,
        "evidence": spell_unseen(one.evidence, is_marked=True),
        "fix": one.fix,
        "row": row,
    }
    if one.span is not None:
        value |= {"path": one.span.path, "text": spell_unseen(one.span.text, is_marked=True)}
    if one.related:
        value["related"] = list(one.related[:50])
        value["num_related"] = len(one.related)
    if cluster is not None:
        value["cluster"] = cluster
    return value


def _build_rows(page: DataPage) -> tuple[list[dict[str, Any]], dict[int, int]]:
    by_row: dict[int, list[Finding]] = {}
    for one in page.all_of_rows:
        by_row.setdefault(one.number, []).append(one)
    rows: list[dict[str, Any]] = []
    index: dict[int, int] = {}
    left = MAX_CHARS
    for number in dict.fromkeys(one.number for one in page.shown):
        kept = page.survey.rows.get(number)
        if kept is None or left <= 0:
            continue
        own = by_row.get(number, [])
        tokenizer = page.tokenizer if len(rows) < _MAX_RENDERED else None
        row, num_chars = _build_row(kept, own, tokenizer)
        left -= num_chars
        index[number] = len(rows)
        rows.append(row)
    return rows, index


def _build_row(
    kept: KeptRow, findings: Sequence[Finding], tokenizer: ChatTokenizer | None
) -> tuple[dict[str, Any], int]:
    record = kept.record
    texts, num_chars = [], 0
    hidden: Record | None = record if tokenizer is not None else None
    for path, text in read_texts(record).items():
        own = [one for one in findings if one.span is not None and one.span.path == path]
        pieces = cut_text(text, own)
        shown = [_show(piece, own) for piece in _elide(pieces)]
        num_chars += sum(len(one[0]) for one in shown)
        texts.append({**_describe(record, path), "pieces": shown})
        if own and hidden is not None:
            hidden = _put(hidden, path, hide(text, own))
    value: dict[str, Any] = {
        "place": record.place,
        "part": kept.part,
        "kind": record.kind,
        "texts": texts,
        "origin": {
            name: spell_unseen(text[:200], is_marked=True)
            for name, text in read_provenance(CheckedRow(0, kept.part, record)).items()
        },
    }
    rendered = _render(hidden, tokenizer) if hidden and tokenizer else None
    if rendered:
        value["rendered"] = rendered
        num_chars += sum(len(part[0]) for part in rendered["parts"])
    return value, num_chars


def _elide(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, with the middle left out of long ones."""
    return [piece._replace(text=_cut_middle(piece.text)) for piece in pieces]


def _cut_middle(text: str) -> str:
    if len(text) <= _MAX_PLAIN:
        return text
    half = _MAX_PLAIN // 2
    return f"{text[:half]} … ({len(text) - 2 * half:,} more characters) … {text[-half:]}"


def _show(piece: Piece, findings: Sequence[Finding]) -> list[Any]:
    """Text, and the severest of its findings with the names of their rules; or text alone."""
    text = spell_unseen(piece.text, is_marked=bool(piece.findings))
    if not piece.findings:
        return [text]
    order = ("info", "warning", "error")
    own = [findings[number] for number in piece.findings]
    worst = max(own, key=lambda one: order.index(one.severity)).severity
    return [text, worst, list(dict.fromkeys(one.rule for one in own))]


def _describe(record: Record, path: str) -> dict[str, Any]:
    """Who speaks in a text, and whether it is trained."""
    place = _ROLES.match(path)
    if place is None:
        return {"path": path, "role": "tools", "trained": False}
    message = record.messages[int(place[1])]
    role, what = message["role"], place[2]
    value: dict[str, Any] = {"path": path, "role": role, "trained": is_trained(record, message)}
    if what.startswith("tool_calls"):
        call = message["tool_calls"][int(re.findall(r"\[(\d+)\]", what)[0])]
        value["call"] = spell_unseen(call["function"]["name"], is_marked=True)
    elif what == "reasoning_content":
        value["role"] = f"{role}, reasoning"
    return value


def _put(record: Record, path: str, text: str) -> Record | None:
    """The record with what is hidden in one text; None where that is no JSON any more."""
    try:
        return put_text(record, path, text)
    except ValueError:
        return None


def _render(record: Record, tokenizer: ChatTokenizer) -> Mapping[str, Any] | None:
    """The last example of a row as the model reads it: tokens, and text by whether it is trained.

    None where the template refuses it.
    """
    try:
        examples = render_content(Content.of(record), tokenizer).examples
    except AssayError:
        return None
    if not examples:
        return None
    one = examples[-1]
    parts = [
        [_cut_middle(spell_unseen(part["text"], is_marked=False)), int(part["trained"])]
        for part in split_marked(one.text, one.trained_spans)
    ]
    return {
        "parts": parts,
        "tokens": len(one.input_ids),
        "trained": sum(weight > 0 for weight in one.loss_mask),
        "examples": len(examples),
    }
