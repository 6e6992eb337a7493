"""What was trained on: sources, counts, problems, splits, and an example as the loss sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from assay.release import wording
from assay.release.report.html import Html, clip, join, tag
from assay.release.report.source import ReportSource
from assay.runs.values import flatten, mapping, number, sequence, text

_MAX_PROBLEMS = 20
_MAX_TEXT = 6000
_APART = ("sources", "problems", "mask", "hashes", "splits")

Piece = tuple[str, bool]


def render_mask(source: ReportSource) -> Html:
    """The mask report: counts, pathologies, and one example with its trained text marked."""
    mask = mapping(source.data.get("mask"))
    if not mask:
        return tag("p", "The loss mask was not measured.", class_="missing")
    pieces = list(read_pieces(mask.get("example")))
    counts = [(key, value) for key, value in flatten(mask) if _is_count(key, value)]
    pathologies = [text(name) for name in sequence(mask.get("pathologies"))]
    verdict = (
        "Pathologies: " + ", ".join(pathologies).replace("_", " ") + "."
        if pathologies
        else "No pathology was found."
    )
    told = f"{verdict} Marked text is what the loss trains; all other text is only read."
    return join([tag("p", told, class_="intro"), _pairs(counts), _example(pieces)])


def render_data(source: ReportSource) -> Html:
    """Counts of the data report, its splits, its sources and its first problems."""
    if not source.data:
        return tag("p", "The data was not measured: no data report.", class_="missing")
    rest = {key: value for key, value in source.data.items() if key not in _APART}
    counts = [(key, value) for key, value in flatten(rest) if _is_count(key, value)]
    return join(
        [
            _splits(source.data.get("splits")),
            _pairs(counts),
            _sources(sequence(source.data.get("sources"))),
            _problems(source.data.get("problems")),
        ]
    )


def read_pieces(example: Any) -> Iterator[Piece]:
    """Read an example as (text, trained) pieces in order.

    Understood are a list of pieces, ``{"pieces": [{"text", "trained"}]}``, and
    ``{"text", "trained_spans": [[start, end], …]}`` with spans in characters.
    """
    if isinstance(example, dict) and "trained_spans" in example:
        yield from _cut(text(example.get("text")), sequence(example["trained_spans"]))
        return
    pieces = example.get("pieces") if isinstance(example, dict) else example
    for piece in sequence(pieces):
        if isinstance(piece, dict):
            yield text(piece.get("text")), bool(piece.get("trained"))
        elif isinstance(piece, list) and len(piece) == 2:
            yield text(piece[0]), bool(piece[1])


def _cut(whole: str, spans: list[Any]) -> Iterator[Piece]:
    at = 0
    for span in spans:
        ends = [number(end) for end in sequence(span)]
        if len(ends) != 2 or ends[0] is None or ends[1] is None:
            continue
        start, end = int(ends[0]), int(ends[1])
        yield whole[at:start], False
        yield whole[start:end], True
        at = max(at, end)
    yield whole[at:], False


def _example(pieces: list[Piece]) -> Html | None:
    shown, left = [], _MAX_TEXT
    for piece, trained in pieces:
        if piece and left > 0:
            cut = clip(piece, max_chars=left)
            shown.append(tag("mark", cut) if trained else join([cut]))
            left -= len(piece)
    return tag("pre", join(shown), class_="masked") if shown else None


def _splits(splits: Any) -> Html | None:
    sizes = [
        (name, number(value) if not isinstance(value, dict) else _size(value))
        for name, value in mapping(splits).items()
    ]
    known = [(name, size) for name, size in sizes if size is not None]
    if not known:
        return None
    facts = join(
        tag("div", tag("dt", name), tag("dd", f"{size:,.0f}", class_="value"))
        for name, size in known
    )
    return tag("dl", facts, class_="facts splits")


def _size(split: dict[str, Any]) -> float | None:
    names = ("num_records", "num_rows", "records", "rows", "count", "n")
    found = (number(split.get(name)) for name in names)
    return next((size for size in found if size is not None), None)


def _sources(sources: list[Any]) -> Html | None:
    rows = [mapping(row) if isinstance(row, dict) else {"path": row} for row in sources]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if not rows:
        return None
    head = tag("tr", join(tag("th", _words(key), scope="col") for key in columns))
    body = join(
        tag(
            "tr",
            join(tag("td", _value(row.get(key)), class_=_kind(row.get(key))) for key in columns),
        )
        for row in rows
    )
    table = tag("table", tag("thead", head), tag("tbody", body))
    return join([tag("h3", "Sources"), tag("div", table, class_="scroll")])


def _problems(problems: Any) -> Html:
    rows = [_problem(row) for row in sequence(problems)]
    if not rows:
        return tag("p", "No problem was found in the rows.")
    more = f"and {len(rows) - _MAX_PROBLEMS:,} more" if len(rows) > _MAX_PROBLEMS else None
    shown = join(tag("li", row) for row in [*rows[:_MAX_PROBLEMS], *([more] if more else [])])
    return join([tag("h3", f"Problems ({len(rows):,})"), tag("ul", shown, class_="problems")])


def _problem(row: Any) -> str:
    if not isinstance(row, dict):
        return text(row)
    place = ":".join(text(row.get(key)) for key in ("file", "line", "column") if row.get(key))
    parts = [f"{word} {text(row.get(key))}" for key, word in _PROBLEM_WORDS if row.get(key)]
    head = " ".join(part for part in (place, text(row.get("key"))) if part)
    return f"{head}: {', '.join(parts)}" if head else ", ".join(parts)


_PROBLEM_WORDS = (("got", "got"), ("allowed", "allowed"), ("do", "do"))


def _pairs(pairs: list[tuple[str, Any]]) -> Html | None:
    rows = join(
        tag("div", tag("dt", _words(key)), tag("dd", _value(value, key))) for key, value in pairs
    )
    return tag("dl", rows, class_="pairs") if pairs else None


def _is_count(key: str, value: Any) -> bool:
    long = isinstance(value, str) and len(value) > 80
    return not key.startswith("example") and not isinstance(value, list | dict) and not long


def _words(key: str) -> str:
    return key.removeprefix("num_").replace("_", " ").replace(".", " · ").replace("num ", "")


def _value(value: Any, key: str = "") -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and ("share" in key or "ratio" in key):
        return wording.percent(value)
    if isinstance(value, int | float):
        return wording.plain(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return text(value) or "–"


def _kind(value: Any) -> str | None:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else None
