"""What was trained on: splits, sources, rows that were refused or dropped; no row itself."""

from __future__ import annotations

from typing import Any

from assay.release.report.html import Html, join, tag
from assay.release.report.pairs import pairs, value_words, words
from assay.release.report.source import ReportSource
from assay.release.wording import plain
from assay.runs.values import flatten, mapping, number, sequence, text

_MAX_PROBLEMS = 20
_COLUMNS = ("source", "format", "num_rows", "num_records", "num_bad_rows", "weight", "revision")


def render_data(source: ReportSource) -> Html:
    """Splits, counts, sources and problems of data/report.json."""
    data = source.data
    if not data:
        return tag("p", "The data was not measured: no data report.", class_="missing")
    counts = [
        ("rows dropped as bad", data.get("num_dropped_rows")),
        ("rows dropped as leaks", len(sequence(data.get("dropped_leaks")))),
        ("training rows beyond the reach of max_steps", data.get("num_unreached_rows") or None),
        *(
            (f"prompts of {key} also trained on", n)
            for key, n in flatten(data.get("shared_prompts"))
        ),
        ("seed of the split", data.get("seed")),
    ]
    problems = [
        problem
        for key in ("refused", "dropped_rows", "dropped_leaks")
        for problem in sequence(data.get(key))
    ]
    return join(
        [
            _splits(mapping(data.get("splits"))),
            pairs([(name, value) for name, value in counts if number(value) is not None]),
            _sources(mapping(data.get("sources"))),
            _problems(problems),
        ]
    )


def _splits(splits: dict[str, Any]) -> Html | None:
    facts = [_split(name, mapping(split)) for name, split in splits.items()]
    return tag("dl", join(facts), class_="facts splits") if facts else None


def _split(name: str, split: dict[str, Any]) -> Html:
    unique, tools = number(split.get("num_unique")), number(split.get("num_with_tools"))
    notes = [f"{plain(unique)} different" if unique is not None else ""]
    notes.append(f"{plain(tools)} with tools" if tools else "")
    return tag(
        "div",
        tag("dt", name),
        tag("dd", plain(number(split.get("num_records"))), class_="value"),
        tag("dd", ", ".join(note for note in notes if note), class_="note"),
    )


def _sources(sources: dict[str, Any]) -> Html | None:
    rows = [(split, mapping(row)) for split, listed in sources.items() for row in sequence(listed)]
    if not rows:
        return None
    columns = [key for key in _COLUMNS if any(row.get(key) not in (None, "") for _, row in rows)]
    head = join(
        tag("th", words(key).capitalize(), scope="col", class_=_kind(key)) for key in columns
    )
    body = join(
        tag(
            "tr",
            tag("th", split, scope="row"),
            join(tag("td", value_words(key, row.get(key)), class_=_kind(key)) for key in columns),
        )
        for split, row in rows
    )
    first = tag("th", "Split", scope="col")
    table = tag("table", tag("thead", tag("tr", first, head)), tag("tbody", body))
    return join([tag("h3", "Sources"), tag("div", table, class_="scroll")])


def _problems(problems: list[Any]) -> Html:
    if not problems:
        return tag("p", "No row was refused or dropped.")
    rows = [_problem(mapping(problem)) for problem in problems[:_MAX_PROBLEMS]]
    if len(problems) > _MAX_PROBLEMS:
        rows.append(f"and {len(problems) - _MAX_PROBLEMS:,} more in data/report.json")
    listed = tag("ul", join(tag("li", row) for row in rows), class_="problems")
    return join([tag("h3", f"Problems ({len(problems):,})"), listed])


def _problem(problem: dict[str, Any]) -> str:
    place = ":".join(text(problem[key]) for key in ("file", "line", "column") if problem.get(key))
    parts = [f"{key} {text(problem[key])}" for key in ("got", "allowed", "do") if problem.get(key)]
    head = " ".join(part for part in (place, text(problem.get("key"))) if part)
    return f"{head}: {', '.join(parts)}" if head else ", ".join(parts)


def _kind(key: str) -> str | None:
    return "number" if key.startswith("num_") or key == "weight" else None
