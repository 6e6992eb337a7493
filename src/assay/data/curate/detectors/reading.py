"""The rules for rows that cannot be read as examples; the reader itself finds them.

A problem's rule is told by the reader's own words, of which `tests/data/curate/test_reading.py` has
a row for each.
"""

from __future__ import annotations

import re

from assay.data.curate.detector import Detector
from assay.data.curate.finding import Rule
from assay.errors import Problem

UNUSABLE_ROW = Rule(
    "unusable_row",
    "form",
    "error",
    "drop",
    "A row that no example can be made of, for a reason that has no rule of its own: a number "
    "where text belongs, a wrong weight.",
)


def _rule(name: str, meaning: str) -> Rule:
    return Rule(name, "form", "error", "drop", meaning)


# Words of `Problem.got`, or of `key: got` where the key decides; the first that fits names it.
_WORDS: tuple[tuple[str, Rule], ...] = (
    (
        r"which is not UTF-8|half of a surrogate pair",
        _rule(
            "broken_encoding",
            "A byte that is not UTF-8, or half of a surrogate pair: no tokenizer can take it.",
        ),
    ),
    (
        r"(?:tool_calls|function_call)\b[^:]*: |a call that is not JSON|two calls with the id"
        r"|<tool_call>|broken JSON: .* in '<tool_call>",
        _rule(
            "broken_tool_call",
            "A tool call that no tool can take: arguments that are not a JSON object, no name, an "
            "id twice.",
        ),
    ),
    (
        r"^[^:]*\btools\b[^:]*: ",
        _rule("broken_tool", "An offered tool that is none: no name, no schema, or twice."),
    ),
    (
        r"a tool result without a call|an unknown id ",
        _rule("orphan_tool_result", "A tool's result that answers no earlier call."),
    ),
    (
        r"broken CSV|^[^:]*: ?\d+ cells$",
        _rule("broken_csv", "A line that does not have the cells of its header."),
    ),
    (
        r"broken JSON|is not JSON|stands twice in one object|nested too deeply",
        _rule(
            "broken_json",
            "A line or column that is not JSON, or a key that stands twice: Python would keep the "
            "last.",
        ),
    ),
    (
        r"no role|unknown role|no speaker|unknown speaker",
        _rule("missing_role", "A message of nobody, or of a role that no template knows."),
    ),
    (
        r"an empty answer|an empty text",
        _rule("empty_answer", "An answer of white space alone: the model would learn to stop."),
    ),
    (
        r"an empty (?:user message|instruction|prompt)|: no (?:content|value)$",
        _rule("empty_prompt", "A message without text where something must have been asked."),
    ),
    (
        r"no assistant turn|a last turn by",
        _rule("missing_answer", "A conversation that does not end with an answer."),
    ),
    (
        r"no such column",
        _rule("missing_column", "A row that lacks a column which its file's other rows have."),
    ),
)
_UNDECLARED = _rule(
    "undeclared_tool",
    "A call to a tool that the row does not offer: the model would learn to make tools up.",
)
_NAMES = ((r"which the row's tools do not have", _UNDECLARED), *_WORDS)
_PATTERNS = tuple((re.compile(words), rule.name) for words, rule in _NAMES)


def name_problem(problem: Problem) -> str:
    """The rule that a problem of the reader belongs to; ``unusable_row`` where none is its own."""
    told = f"{problem.key}: {problem.got}"
    return next((name for words, name in _PATTERNS if words.search(told)), UNUSABLE_ROW.name)


DETECTORS = (Detector("reading", (UNUSABLE_ROW, *(rule for _, rule in _NAMES))),)
