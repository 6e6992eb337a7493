"""How tests of form show that a rule finds what is wrong and leaves alone what looks like it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from checking import Row, check, find

from assay.data.curate import Finding, list_rules


def apart(
    folder: Path, rule: str, *, bad: Sequence[Row], good: Sequence[Row], **others: Any
) -> list[Finding]:
    """The findings of `rule`, which must be of every bad row and of no good one."""
    found = find(folder, rule, [*bad, *good], **others)
    lines = {one.line for one in found}
    missed = [bad[n - 1] for n in range(1, len(bad) + 1) if n not in lines]
    false = [good[n - len(bad) - 1] for n in sorted(lines) if n > len(bad)]
    assert not missed and not false, f"missed {missed}; found without reason {false}"
    return found


def repair(row: Row, finding: Finding) -> str:
    """The message of a row that a finding is of, once its passage is repaired."""
    assert finding.span is not None and finding.repaired is not None
    index = int(finding.span.path.split("[")[1].split("]")[0])
    content: str = row["messages"][index]["content"]
    return content[: finding.span.start] + finding.repaired + content[finding.span.end :]


def count(folder: Path, rows: Sequence[Row], **others: Any) -> dict[str, int]:
    """Findings by rule, of the families form and format."""
    own = {name for name, rule in list_rules().items() if rule.family in ("form", "format")}
    counts = check(folder, rows, **others).counts
    return {rule: one["findings"] for rule, one in counts.items() if rule in own}
