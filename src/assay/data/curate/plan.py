"""The plan: for each finding, what is to be done to its row; a file that a person reads and edits.

One JSON object a line: first what the plan is of, then one action for each finding. To edit it is
to change an ``action`` (keep does nothing) or to delete a line.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from assay.data.curate.finding import Action, Finding, show_ends
from assay.data.curate.settings import Settings
from assay.errors import DataError, Problem
from assay.runs import sha256_file
from assay.runs.atomic import disk_full_named

PLAN_FORMAT = 1


@dataclass(frozen=True)
class Plan:
    """Findings whose `fix` is what is to be done.

    Attributes:
        of: id of the version that the plan is of, or of the files as they are.
        actions: in the order of the rows.
    """

    of: str
    actions: tuple[Finding, ...]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Actions of each rule: `{rule: {action: number of findings}}`."""
        found: dict[str, Counter[str]] = {}
        for one in self.actions:
            found.setdefault(one.rule, Counter())[one.fix] += 1
        return {rule: dict(sorted(counts.items())) for rule, counts in sorted(found.items())}

    def by_row(self) -> dict[int, list[Finding]]:
        """Actions that do something, by the number of their row."""
        rows: dict[int, list[Finding]] = {}
        for one in self.actions:
            if one.fix != "keep":
                rows.setdefault(one.number, []).append(one)
        return rows


def make_plan(findings: Iterable[Finding], settings: Settings, *, of: str) -> Plan:
    """The findings that are planned for, each with its action."""
    return Plan(of, tuple(one for one in findings if is_planned(one, settings)))


def is_planned(finding: Finding, settings: Settings) -> bool:
    """Whether a plan names the finding: errors and warnings of training rows, unless accepted.

    What is merely noted (``info``) is planned for only where the user named the action.
    """
    if finding.part != "train":
        return False
    if finding.severity == "info":
        return settings[finding.rule].is_applied
    return finding.severity != "error" or not settings.accepts(finding.rule)


def hide_masked(plan: Plan) -> Plan:
    """The plan as a version may keep it: of what it masks only the ends are told."""
    return replace(plan, actions=tuple(hide_span(one) for one in plan.actions))


def hide_span(action: Finding) -> Finding:
    """A finding that is to be masked, with no more than the ends of its span."""
    if action.fix != "mask" or action.span is None or "…" in action.span.text:
        return action
    return replace(action, span=replace(action.span, text=show_ends(action.span.text)))


def write_plan(path: Path, plan: Plan) -> None:
    """Write the plan as lines.

    Raises:
        ResourceError: the disk is full.
    """
    head = {"plan": PLAN_FORMAT, "of": plan.of, "counts": plan.counts}
    with disk_full_named(path), path.open("w", encoding="utf-8") as file:
        for line in (head, *map(_to_line, plan.actions)):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _to_line(action: Finding) -> dict[str, Any]:
    value = action.to_json()
    return {"action": value.pop("fix"), "at": action.place, **value}


def read_plan(path: Path) -> Plan:
    """The plan in a file, as a person may have edited it.

    Raises:
        DataError: every line that is no action, located.
    """
    problems: list[Problem] = []
    actions: list[Finding] = []
    of = ""
    for number, line in enumerate(_read_lines(path), start=1):
        try:
            value = json.loads(line)
            if not isinstance(value, dict):
                raise TypeError("no object")
            if number == 1:
                of = str(value["of"])
            else:
                actions.append(_from_line(value))
        except (ValueError, KeyError, TypeError) as error:
            problems.append(_broken(path, number, error))
    if problems:
        raise DataError(problems)
    return Plan(of, tuple(actions))


def _read_lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as lines:
            yield from lines
    except OSError as error:
        problem = Problem(
            f"a plan that cannot be read: {error.strerror}",
            "a file that `assay data curate --dry-run` wrote",
            "name it",
            file=str(path),
        )
        raise DataError(problem) from error


def _from_line(value: Mapping[str, Any]) -> Finding:
    fields = {key: one for key, one in value.items() if key != "at"}
    action: Action = fields.pop("action")
    if action not in get_args(Action):
        raise ValueError(f"unknown action {action!r}")
    return Finding.from_json({**fields, "fix": action})


def _broken(path: Path, number: int, error: Exception) -> Problem:
    return Problem(
        f"a line that is no action: {error}",
        f"an action of {', '.join(get_args(Action))} for a finding",
        "correct the line, or delete it",
        file=str(path),
        line=number,
    )


def name_files(files: Sequence[Path]) -> str:
    """The id of data that stand in files as they are: a hash of their bytes."""
    import hashlib

    digests = "\n".join(sha256_file(path) for path in files)
    return hashlib.sha256(digests.encode()).hexdigest()[:12]


def join_plans(plans: Sequence[Plan]) -> Plan:
    """Plans that were carried out one after the other as one list."""
    return replace(plans[0], actions=tuple(one for plan in plans for one in plan.actions))
