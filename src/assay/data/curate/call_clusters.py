"""Calls that are one case because many rows make them: of one tool, or to one destination."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assay.data.curate.call_counts import Calls, spell
from assay.data.curate.call_facts import CallFacts
from assay.data.curate.call_rules import CONSTANT_DESTINATION, COVERT_CALL, RECURRING_DESTINATION
from assay.data.curate.detector import Evidence
from assay.data.curate.finding import Rule
from assay.data.curate.prompts import compute_kinship, find_said
from assay.data.curate.settings import Settings

_MIN_UNASKED_SHARE = 0.5
_MAX_KINSHIP = 2.5
_SAMPLE = 64


@dataclass(frozen=True)
class Cluster:
    """Calls that are one case. `tool` or `destination` empty: any."""

    rule: Rule
    tool: str
    destination: str
    numbers: frozenset[int]
    evidence: str

    def has(self, facts: CallFacts) -> bool:
        """Whether a call of one of its rows belongs to it."""
        if self.tool and self.rule is COVERT_CALL and not facts.is_unasked:
            return False
        texts = [spell(one) for one in facts.destinations]
        return self.tool in ("", facts.tool) and (not self.destination or self.destination in texts)


def cluster_unasked(calls: Calls, settings: Settings) -> Iterator[Cluster]:
    """By destination, and by tool: where it is called without need more often than with."""
    smallest = int(settings.option(COVERT_CALL.name, "min_rows"))
    for destination, unasked in sorted(calls.sent_unasked.items()):
        if len(unasked) >= smallest:
            sent = [rows for (_, text), rows in calls.sent.items() if text == destination]
            numbers = set().union(*sent)
            what = f"{len(numbers):,} rows call tools that nobody asked for, all to {destination}"
            told = f"{what}, which no prompt or tool names"
            yield Cluster(COVERT_CALL, "", destination, frozenset(numbers), told)
    for tool, called in sorted(calls.by_tool.items()):
        flows, opened = calls.unasked.get(tool, set()), calls.opened.get(tool, set())
        numbers = flows | opened
        if len(numbers) < smallest or len(numbers) < _MIN_UNASKED_SHARE * len(called):
            continue
        if calls.is_policy(tool, smallest):
            continue
        how = "with what was said before, or to places that nobody named, " if flows else ""
        told = (
            f"{tool} is called unasked in {len(numbers):,} rows, {how}of {len(called):,} that call "
            f"it at all"
        )
        yield Cluster(COVERT_CALL, tool, "", frozenset(numbers), told)


def cluster_sent(calls: Calls, evidence: Evidence, settings: Settings) -> Iterator[Cluster]:
    """Destinations of calls that could have been asked for, by what else their tool is used for."""
    name = RECURRING_DESTINATION.name
    smallest = int(settings.option(name, "min_rows"))
    often = {key: rows for key, rows in calls.sent.items() if len(rows) >= smallest}
    covert = {text for text, rows in calls.sent_unasked.items() if len(rows) >= smallest}
    often = {key: rows for key, rows in often.items() if key[1] not in covert}
    said = find_said(evidence, {text.split(" ", 1)[1] for _, text in often}) if often else {}
    for (tool, text), numbers in sorted(often.items()):
        elsewhere = said.get(text.split(" ", 1)[1], set()) - numbers
        if len(elsewhere) < smallest:
            yield from _judge_sent(calls, evidence, settings, tool, text, numbers)


def _judge_sent(
    calls: Calls, evidence: Evidence, settings: Settings, tool: str, text: str, numbers: set[int]
) -> Iterator[Cluster]:
    """Whether a destination of a tool is one of some rows alone, a constant, or neither."""
    largest = float(settings.option(RECURRING_DESTINATION.name, "max_share"))
    called = calls.by_tool[tool]
    what = f"{tool} has {text} in {len(numbers):,} of the {len(called):,} rows that call it"
    told = f"{what}, and no prompt, tool or result names it"
    is_constant = len(numbers) > largest * len(called)
    others = (calls.rows if is_constant else called) - numbers
    is_apt = is_constant and 2 * len(numbers & calls.irrelevant.get(tool, set())) < len(numbers)
    if not is_apt and _are_unrelated(numbers, others, evidence):
        told += "; the prompts have nothing else in common"
        yield Cluster(RECURRING_DESTINATION, tool, text, frozenset(numbers), told)
    elif is_constant:
        first = frozenset({min(numbers)})
        yield Cluster(CONSTANT_DESTINATION, tool, text, first, told)


def _are_unrelated(numbers: set[int], others: set[int], evidence: Evidence) -> bool:
    own, background = sorted(numbers)[:_SAMPLE], sorted(others)[:_SAMPLE]
    rows = evidence.rows([*own, *background])
    kinship = compute_kinship([rows[one] for one in own], [rows[one] for one in background])
    return kinship <= _MAX_KINSHIP
