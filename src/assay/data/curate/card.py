"""The card of a data version: a Hub data-set card with a datasheet, made of what was measured.

The front matter is the Hub's (licence, size category, tags); the sections follow Gebru et al. 2021,
"Datasheets for Datasets", as far as they can be answered from the data; the rest is asked for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from assay.data.curate.batch import CheckedRow
from assay.data.curate.check import Checked
from assay.data.curate.detectors.provenance import read_provenance
from assay.data.curate.licences import find_licence
from assay.data.curate.plan import Plan
from assay.data.records import Record
from assay.data.versions import Version

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_ASKED = "_To be written by whoever made the data._"


@dataclass
class Composition:
    """What the rows of a version are, counted in one pass."""

    kinds: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    turns: Counter[int] = field(default_factory=Counter)
    provenance: dict[str, Counter[str]] = field(default_factory=dict)
    num_with_tools: int = 0
    num_characters: int = 0

    def add(self, record: Record) -> None:
        """Count one row."""
        self.kinds[record.kind] += 1
        self.files[record.file] += 1
        self.turns[len(record.messages)] += 1
        self.num_with_tools += bool(record.tools)
        self.num_characters += sum(len(one.get("content") or "") for one in record.messages)
        known = read_provenance(CheckedRow(0, "train", record))
        for name in ("source", "licence", "consent"):
            self.provenance.setdefault(name, Counter())[known.get(name, "")] += 1


def count_composition(records: Iterable[Record]) -> Composition:
    """The composition of rows."""
    found = Composition()
    for record in records:
        found.add(record)
    return found


def render_card(
    version: Version, rows: Composition, *, name: str, plan: Plan, checked: Checked
) -> str:
    """The card as Markdown."""
    sections = {
        "Motivation": [_ASKED],
        "Composition": _describe_rows(version, rows),
        "Collection and licence": _describe_provenance(rows),
        "Cleaning": _describe_plan(plan),
        "Findings that are left": _describe_findings(checked),
        "Uses": [_ASKED],
        "Maintenance": [
            f"Version `{version.id}`, made of `{version.parent}`; content SHA-256 "
            f"`{version.content}`. `assay data diff` shows what changed, `assay data erase` "
            "removes rows of a person and names what was trained on them."
        ],
    }
    body = [f"# {name}"]
    for title, lines in sections.items():
        body += ["", f"## {title}", "", *lines]
    return "\n".join([*_front_matter(version, rows, name), *body]) + "\n"


def _front_matter(version: Version, rows: Composition, name: str) -> list[str]:
    size = next((label for most, label in _SIZES if version.num_rows < most), "n>10M")
    licences = sorted(one for one in rows.provenance.get("licence", {}) if one)
    known = sorted({_spdx(one) for one in licences})
    licence = known[0] if len(known) == 1 and not rows.provenance["licence"][""] else "other"
    lines = [
        "---",
        f"pretty_name: {json.dumps(name, ensure_ascii=False)}",
        f"license: {licence.lower()}",
    ]
    if licence == "other" and known:
        lines.append(f"license_name: {json.dumps(' and '.join(known), ensure_ascii=False)}")
    return [
        *lines,
        f"size_categories: ['{size}']",
        "tags: [assay]",
        "configs:",
        "- {config_name: default, data_files: rows.parquet}",
        "---",
        "",
    ]


def _spdx(name: str) -> str:
    licence = find_licence(name)
    return licence.id if licence else name


def _describe_rows(version: Version, rows: Composition) -> list[str]:
    mean = rows.num_characters / max(1, version.num_rows)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in rows.kinds.most_common())
    turns = ", ".join(f"{count:,} of {num}" for num, count in rows.turns.most_common(5))
    return [
        f"{version.num_rows:,} rows: {kinds}. {rows.num_with_tools:,} offer tools. "
        f"{mean:,.0f} characters a row on average. Messages a row: {turns}.",
        "",
        "| file | rows |",
        "|---|---|",
        *(f"| {_cell(file)} | {count:,} |" for file, count in rows.files.most_common(50)),
    ]


def _describe_provenance(rows: Composition) -> list[str]:
    lines = ["| | value | rows |", "|---|---|---|"]
    for name, counts in rows.provenance.items():
        for value, count in counts.most_common(20):
            lines.append(f"| {name} | {_cell(value) or '_not said_'} | {count:,} |")
    return lines


def _describe_plan(plan: Plan) -> list[str]:
    if not plan.actions:
        return ["Nothing was changed."]
    lines = ["| rule | what was done | findings |", "|---|---|---|"]
    for rule, counts in plan.counts.items():
        lines += [f"| {rule} | {action} | {count:,} |" for action, count in counts.items()]
    return [*lines, "", "`plan.jsonl` names each row."]


def _describe_findings(checked: Checked) -> list[str]:
    lines = [f"Verdict of the check: **{checked.verdict}**."]
    if checked.counts:
        lines += ["", "| rule | severity | rows |", "|---|---|---|"]
        for rule, count in checked.counts.items():
            lines.append(f"| {rule} | {checked.settings[rule].severity} | {count['rows']:,} |")
    if checked.not_measured:
        lines += ["", f"Not measured: {', '.join(sorted(checked.not_measured))}."]
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
