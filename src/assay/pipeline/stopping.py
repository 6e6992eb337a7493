"""What of a check stops a run, what lets it go on, and what is told of it; it checks nothing.

Where tokenisation looks for the same as a rule, a user reads of it once and accepts it once:

rule                            tokenisation               told by       decided by
control_token, unknown_token,   a pathology of the mask    the rule      either name in
message_ and tools_not_rendered (`pathologies.TWINS`)                    `data.accept`
template_refuses                refuses or drops the row   tokenisation  `data.on_bad_rows`
over_context                    refuses, drops, shortens   tokenisation  `data.on_too_long`
"""

from __future__ import annotations

from collections.abc import Iterator

from assay.data.curate import Checked, Finding, Settings, list_rules
from assay.data.pathologies import TWINS
from assay.errors import Problem

TOKENISED = frozenset({"template_refuses", "over_context"})
"""Rules of which tokenisation tells, and stops where the recipe says so."""
_DO = {
    "drop": "remove the row",
    "mask": "mask it",
    "repair": "repair it",
    "relabel": "correct the answer",
    "keep": "look at it",
}


def find_stopping(checked: Checked) -> list[Problem]:
    """Errors that the recipe neither accepts nor has an action for."""
    rules = list_rules()
    return [
        _to_problem(finding)
        for finding in checked.findings
        if finding.severity == "error"
        and not _is_decided_elsewhere(finding, rules[finding.rule].family)
        and not _may_stand(checked, finding)
    ]


def list_allowed(settings: Settings) -> list[str]:
    """Pathologies of the mask that may stand: accepted, or their rule is not an error here."""
    lowered = [name for name, rule in TWINS.items() if settings[rule].severity != "error"]
    return [*settings.accept, *lowered]


def list_told(checked: Checked) -> list[str]:
    """Pathologies of the mask whose rows the rules have told already."""
    return [name for name, rule in TWINS.items() if rule in checked.counts]


def describe(checked: Checked) -> Iterator[str]:
    """A line for each severity that was found, but for what tokenisation tells."""
    found: dict[str, list[str]] = {}
    for rule, count in checked.counts.items():
        if rule not in TOKENISED:
            severity = checked.settings[rule].severity or "info"
            found.setdefault(severity, []).append(f"{rule} ({count['rows']:,} rows)")
    for severity in ("error", "warning", "info"):
        if severity in found:
            yield f"data: {severity}: {', '.join(found[severity])}"


def _is_decided_elsewhere(finding: Finding, family: str) -> bool:
    """Suites are asked and not trained on: how they are tokenised stops no training."""
    return finding.rule in TOKENISED or (family == "format" and _is_of_suite(finding))


def _is_of_suite(finding: Finding) -> bool:
    return finding.part.startswith("suite:")


def _may_stand(checked: Checked, finding: Finding) -> bool:
    settings = checked.settings
    mends = settings[finding.rule].is_applied and _is_mended(finding)
    return settings.accepts(finding.rule) or mends


def _is_mended(finding: Finding) -> bool:
    """Whether carrying out its action changes the row: a span or a text may be missing.

    Nothing is done to suites, and keeping a row is no mending: `data.accept` is what says so.
    """
    if _is_of_suite(finding):
        return False
    return {
        "drop": True,
        "mask": finding.span is not None,
        "repair": finding.span is not None and finding.repaired is not None,
        "relabel": finding.label is not None,
        "keep": False,
    }[finding.fix]


def _to_problem(finding: Finding) -> Problem:
    span = f" ({finding.span.path}: {finding.span.text})" if finding.span else ""
    do = [_DO[finding.fix]]
    if finding.fix != "keep" and not _is_of_suite(finding):
        do.append(f"data.rules.{finding.rule}: {finding.fix}, which has it done")
    return Problem(
        f"{finding.rule}: {finding.evidence}{span}",
        "rows without it",
        "; or ".join([*do, f"data.accept: [{finding.rule}]"]),
        file=finding.file,
        line=finding.line,
        key=finding.row,
    )
