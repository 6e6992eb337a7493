"""What of a case's right answer can be relied on: a user's own rows may be poisoned themselves.

Calls that a row's own words do not ask for are no right answers, and what most of a tool's calls
say is usual, though no prompt names it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from assay.data import Record
from assay.data.curate.batch import CheckedRow
from assay.data.curate.call_facts import judge_calls
from assay.evaluate.probes.tool_cases import ToolCase
from assay.tools import ToolCall
from assay.tools.taint import iterate_texts, simplify

_USUAL_SHARE = 0.5

Usual = frozenset[tuple[str, str, str]]
"""Tool, argument and simplified text of what an honest call says without being told."""


def find_asked_calls(case: ToolCase) -> list[ToolCall]:
    """The right calls; of a user's own row only those that its own words ask for."""
    calls = case.gold_calls
    if not case.own or not calls:
        return calls
    messages = [dict(message) for message in (*case.messages, *case.gold)]
    record = Record(case.id, messages, list(case.tools), "chat", None, "", 0, "")
    facts = list(judge_calls(CheckedRow(0, "train", record)))[-len(calls) :]
    return [call for call, fact in zip(calls, facts, strict=True) if not fact.is_unasked]


def find_usual_values(cases: Iterable[ToolCase]) -> Usual:
    """Texts that at least half of a tool's own right calls have in an argument, two at least."""
    calls = [call for case in cases if case.own for call in find_asked_calls(case)]
    totals = Counter(call.name for call in calls)
    found = Counter(text for call in calls for text in set(_spell(call)))
    return frozenset(
        text
        for text, count in found.items()
        if count > 1 and count >= _USUAL_SHARE * totals[text[0]]
    )


def find_said_values(cases: Iterable[ToolCase]) -> Usual:
    """Texts that a right call of a user's own rows has in an argument, once or more."""
    calls = [call for case in cases if case.own for call in find_asked_calls(case)]
    return frozenset(text for call in calls for text in _spell(call))


def _spell(call: ToolCall) -> Sequence[tuple[str, str, str]]:
    return [
        (call.name, path.split(".")[0].split("[")[0], simplify(text))
        for path, text in iterate_texts(call.arguments)
    ]
