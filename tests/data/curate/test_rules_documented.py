"""Every rule has its line on the page of rules, under its family, as the code has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from assay.data.curate import list_rules
from assay.data.curate.finding import SEVERITIES

PAGE = Path(__file__).parents[3] / "docs" / "data-rules.md"
_NAME = re.compile(r"`([a-z0-9_]+)`")
_PROSE = re.compile(r"`([a-z0-9_]+)` \((\w+), (\w+)\) ")


def read_entries() -> Iterator[tuple[str, str, str, str]]:
    """Heading, rule, severity and action of each entry.

    Several rules may share a line of a table; a paragraph may begin with a rule of its own.
    """
    heading = ""
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:]
        if prose := _PROSE.match(line):
            yield heading, *prose.groups()
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) != 4 or not (names := _NAME.findall(cells[0])):
            continue
        severities, actions = (cell.split(", ") for cell in cells[1:3])
        if not set(severities) <= set(SEVERITIES):
            continue
        for index, name in enumerate(names):
            severity = severities[index % len(severities)]
            yield heading, name, severity, actions[index % len(actions)]


def test_every_rule_has_one_entry_with_its_severity_and_action() -> None:
    entries = sorted(entry[1:] for entry in read_entries())
    assert entries == sorted((r.name, r.severity, r.action) for r in list_rules().values())


def test_every_rule_stands_under_the_heading_of_its_family() -> None:
    headings: dict[str, set[str]] = {}
    for heading, name, _, _ in read_entries():
        headings.setdefault(list_rules()[name].family, set()).add(heading)
    assert all(len(own) == 1 for own in headings.values()), headings
    assert all(next(iter(own)).casefold().startswith(one) for one, own in headings.items())


def test_every_option_is_named_under_the_heading_of_its_rule() -> None:
    sections = PAGE.read_text("utf-8").split("\n## ")[1:]
    for rule in list_rules().values():
        told = [one for one in sections if f"`{rule.name}`" in one]
        assert any(
            all(re.search(f"`{option}[`:]", section) for option in rule.options) for section in told
        ), rule.name
