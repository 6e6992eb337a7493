"""What the rules are to reach, beside what was measured: a short table, misses by their name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data.curate import list_rules
from benchmarks.planted.bounds import find_lower, find_upper
from benchmarks.planted.privacy import CHECKED

HEAD = "| target | found of planted | at least | false rows | at most | |"
Results = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """A share of planted rows to find, and of clean rows to accuse at most.

    Attributes:
        rules: those that each have to reach it.
        ends: what the strength ends with, where not all count.
        is_pooled: the rules reach it together: a fault counts wherever it is found.
    """

    name: str
    rules: tuple[str, ...]
    recall: float
    false: float
    ends: str = ""
    is_pooled: bool = False


def _family(name: str) -> tuple[str, ...]:
    return tuple(rule for rule, one in list_rules().items() if one.family == name)


CALLS = ("covert_call", "recurring_destination")
TARGETS = (
    Target("form", _family("form"), 0.99, 0.005),
    Target("privacy with check digits", CHECKED, 0.99, 0.005),
    Target("secrets", _family("secrets"), 0.99, 0.005),
    Target("exact duplicates", ("exact_duplicate",), 0.99, 0.005),
    Target("leakage", _family("leakage"), 0.99, 0.005),
    Target("near duplicates", ("near_duplicate",), 0.95, 0.005),
    Target("covert calls, 100 of 10,000 rows", CALLS, 0.95, 0.01, " 100", is_pooled=True),
    Target("covert calls, 25 of 10,000 rows", CALLS, 0.95, 0.01, " 25", is_pooled=True),
    Target("apt extra calls, 100 of 10,000 rows", ("unsupported_call",), 0.95, 0.01, " 100"),
    Target("apt extra calls, 25 of 10,000 rows", ("unsupported_call",), 0.95, 0.01, " 25"),
    Target("triggers, 50 of 10,000 rows", ("trigger",), 0.9, 0.01, " 50"),
    Target("triggers, 25 of 10,000 rows", ("trigger",), 0.9, 0.01, " 25"),
    Target("contradicting answers", ("contradicting_answers",), 0.8, 0.05),
    Target("flipped labels", ("contradicting_labels",), 0.8, 0.05),
)
REFUSED = 0.02
"""Clean files that may be refused."""


@dataclass(frozen=True)
class Reached:
    """Counts of some rules."""

    found: int
    planted: int
    false: int
    clean: int

    @property
    def at_least(self) -> float:
        return find_lower(self.found, self.planted)

    @property
    def at_most(self) -> float:
        return find_upper(self.false, self.clean)

    def reaches(self, target: Target) -> bool:
        """Whether the counts themselves do."""
        return (
            self.found >= target.recall * self.planted and self.false <= target.false * self.clean
        )

    def proves(self, target: Target) -> bool:
        """Whether both bounds do, too."""
        return self.at_least >= target.recall and self.at_most <= target.false


def count(results: Results, rule: str, ends: str) -> Reached:
    """The counts of one rule, for strengths with that end."""
    own = results["rules"][rule]
    marks = [pair for strength, pair in own["strengths"].items() if strength.endswith(ends)]
    found, planted = (sum(pair[side] for pair in marks) for side in (0, 1))
    return Reached(found, planted, own["false"], own["clean"])


def add(counts: list[Reached]) -> Reached:
    """What was planted for all of them, and the false rows of the one that has most."""
    planted = (sum(one.found for one in counts), sum(one.planted for one in counts))
    most = max(counts, key=lambda one: one.false / max(1, one.clean))
    return Reached(*planted, most.false, most.clean)


def render(results: Results) -> str:
    """A line for each target that was measured, and one for clean files."""
    lines = [HEAD, "|---|---|---|---|---|---|"]
    for target in TARGETS:
        known = [rule for rule in target.rules if rule in results["rules"]]
        counts = {rule: count(results, rule, target.ends) for rule in known}
        counts = {rule: one for rule, one in counts.items() if one.planted}
        if counts:
            lines.append(_render(target, counts, results))
    if files := results.get("files"):
        lines += _render_files(files)
    return "\n".join(lines)


def _render(target: Target, counts: Mapping[str, Reached], results: Results) -> str:
    both = add(list(counts.values()))
    judged = {"all": both} if target.is_pooled else counts
    missed = {rule: one for rule, one in judged.items() if not one.reaches(target)}
    weak = [
        f"`{rule}`" if len(judged) > 1 else ""
        for rule, one in judged.items()
        if rule not in missed and not one.proves(target)
    ]
    named = _count_named(results, target.ends) if target.rules == ("trigger",) else ""
    told = "; ".join([*_tell(missed, weak, pooled=target.is_pooled), *([named] if named else [])])
    aim = f"{target.name}: {target.recall:.0%} at {target.false:.1%}"
    return (
        f"| {aim} | {both.found:,} of {both.planted:,} | {both.at_least:.1%} "
        f"| {both.false:,} of {both.clean:,} | {both.at_most:.2%} | {told} |"
    )


def _tell(missed: Mapping[str, Reached], weak: list[str], *, pooled: bool) -> Iterator[str]:
    if not missed:
        yield "met"
    elif pooled:
        yield "**missed**"
    for rule, one in missed.items() if not pooled else ():
        false = f", {one.false:,} of {one.clean:,} false" if one.false else ""
        yield f"**missed** by `{rule}` ({one.found:,} of {one.planted:,}{false})"
    if weak:
        yield "not by the bound" + (f" for {', '.join(weak)}" if weak[0] else "")


def _count_named(results: Results, ends: str) -> str:
    """In how many sets a finding names the trigger."""
    own = [one for one in results["cases"] if one["case"].endswith(ends) and "named" in one]
    return f"named in {sum(one['named'] > 0 for one in own)} of {len(own)} sets"


def _render_files(files: Mapping[str, Any]) -> list[str]:
    """All clean files, and those without the public tool calls, some of which are broken."""
    lines = []
    for name, left_out in (("clean files", ()), ("clean files but those of `tools`", ("tools",))):
        pairs = [pair for kind, pair in files["by_kind"].items() if kind not in left_out]
        refused, num = (sum(pair[side] for pair in pairs) for side in (0, 1))
        most, told = find_upper(refused, num), "met" if refused <= REFUSED * num else "**missed**"
        told += "" if most <= REFUSED or told != "met" else "; not by the bound"
        aim = f"{name} refused: at most {REFUSED:.0%}"
        lines.append(f"| {aim} | | | {refused} of {num} | {most:.1%} | {told} |")
    return lines
