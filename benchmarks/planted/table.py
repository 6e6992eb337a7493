"""The results as tables of docs/data-rules.md, between its markers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assay.data.curate import list_rules
from benchmarks.planted.bounds import find_lower, find_upper

PAGE = Path(__file__).parents[2] / "docs" / "data-rules.md"
END = "<!-- benchmark: end -->"
HEAD = (
    "| rule | found of planted | at least | weakest kind | twins accused | false rows | at most |"
)


def render(results: dict[str, Any]) -> str:
    """Rules by family, then how many clean files are refused."""
    lines = [HEAD, "|---|---|---|---|---|---|---|"]
    lines += [
        _render_rule(name, results["rules"][name])
        for name in list_rules()
        if name in results["rules"]
    ]
    for family, (accused, num) in results["looks_like"].items():
        lines.append(f"| any of {family} |  |  |  | {accused} of {num:,} |  |  |")
    lines += ["", *_render_missed(results["rules"])]
    if files := results.get("files"):
        lines += ["", _render_files(files)]
    return "\n".join(lines)


def _render_rule(name: str, counts: dict[str, Any]) -> str:
    weakest = min(counts["strengths"].items(), key=lambda one: one[1][0] / one[1][1])
    shown = ""
    if len(counts["strengths"]) > 1 and weakest[1][0] < weakest[1][1]:
        shown = f"{weakest[0]}: {weakest[1][0]} of {weakest[1][1]}"
    twins = f"{counts['accused']} of {counts['twins']:,}" if counts["twins"] else ""
    return (
        f"| `{name}` | {counts['found']:,} of {counts['planted']:,} | {counts['at_least']:.1%} "
        f"| {shown} | {twins} | {counts['false']} of {counts['clean']:,} "
        f"| {counts['at_most']:.2%} |"
    )


def _render_missed(rules: dict[str, Any]) -> list[str]:
    """Each kind of which something was missed."""
    head = ["| rule | kind | found of planted | between |", "|---|---|---|---|"]
    missed = [
        f"| `{rule}` | {kind or 'all'} | {found:,} of {planted:,} "
        f"| {find_lower(found, planted):.1%} and {find_upper(found, planted):.1%} |"
        for rule, counts in rules.items()
        for kind, (found, planted) in sorted(counts["strengths"].items())
        if found < planted
    ]
    return ["Of these kinds not all were found:", "", *head, *missed] if missed else []


def _render_files(files: dict[str, Any]) -> str:
    kinds = ", ".join(
        f"{kind} {refused} of {num}" for kind, (refused, num) in files["by_kind"].items()
    )
    rules = ", ".join(f"`{rule}`" for rule in files["rules"])
    return (
        f"Clean files of 50 to 2,000 rows that are refused: {files['refused']} of {files['files']} "
        f"(at most {find_upper(files['refused'], files['files']):.1%}); {kinds}."
        + (f" Refused by {rules}." if rules else "")
    )


def update_page(name: str, text: str, *, page: Path = PAGE) -> None:
    """Put `text` between ``<!-- benchmark: NAME -->`` and the next end of the page.

    Raises:
        ValueError: the page has no such marker.
    """
    before, begin, rest = page.read_text("utf-8").partition(f"<!-- benchmark: {name} -->")
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page.name} has no place for {name}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", "utf-8")
