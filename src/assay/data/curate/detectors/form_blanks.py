"""What was to be filled in and was not: placeholders of letters, prompts and unfinished work."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from assay.data.curate.batch import Batch, Text
from assay.data.curate.detector import Detector
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.passages import (
    ANSWERS,
    Passage,
    TextRule,
    blank_code,
    is_code,
    message_index,
    read_context,
    scan_texts,
)
from assay.data.curate.settings import Settings

PLACEHOLDER = Rule(
    "placeholder",
    "form",
    "warning",
    "drop",
    "Something that was to be filled in and was not: [Your Name], {customer_name}, lorem ipsum, a "
    "TODO.",
)

_FIELDS = "name|date|company|customer|product|topic|input|question|context|username"
_FILL_IN = (
    r"\[(?i:your|insert|enter|add|recipient|company|customer|client)(?: [A-Za-z' ]{1,30})?\]"
    r"|\[(?i:name|date|address|phone|email|city|company|product|title)\]|(?i:lorem ipsum)"
    r"|\b(?:TODO|FIXME|TBD|XXX)\b|\{\{ ?[a-zA-Z_.]+ ?\}\}|\{[a-z]+(?:_[a-z]+)+\}"
    rf"|\{{(?:{_FIELDS})\}}|<(?i:your|insert)[ _-][a-zA-Z _-]{{1,30}}>"
)
_FILL_INS = re.compile(_FILL_IN)
_ASKED = re.compile(
    r"(?i)\b(?:templates?|placeholders?|fill[- ]in|form letter|blanks?|boilerplate|lorem|todos?"
    r"|f-?strings?|jinja|mustache|handlebars|variables?|format strings?|tbd|fixme|xxx)\b"
    r"|\b(?:write|draft|compose|prepare|create|generate)\b.{0,80}\b(?:e-?mail|letter|message|note"
    r"|resume|cv|contract|invitation|speech)|\[[A-Za-z' ]{2,30}\]|\{[a-z_]+\}"
)


def find_placeholders(text: Text) -> Iterator[Passage]:
    """The first blank, unless the question asked for one; in a system prompt only ``{…}``."""
    plain = blank_code(text.text)
    found = _FILL_INS.search(plain)
    if found is None or _is_other(found, text.text) or is_code(plain):
        return
    if text.role != "assistant" and found[0][0] != "{":
        return
    context = read_context(text.row, message_index(text)) if text.role == "assistant" else ""
    if not _ASKED.search(context):
        yield Passage(*found.span(), f"{found[0]} was to be filled in")


def _is_other(match: re.Match[str], text: str) -> bool:
    """Whether braces belong to a formula, a shell or a path, or brackets to a link."""
    before, after = text[: match.start()][-1:], text[match.end() :][:1]
    if match[0][0] == "{":
        return bool(before) and (before.isalnum() or before in "\\$%_^/}")
    return match[0][0] == "[" and after == "("


RULES = (TextRule(PLACEHOLDER, ANSWERS | {"system"}, _FILL_IN, find_placeholders),)


def scan(batch: Batch, settings: Settings) -> Iterable[Hit]:
    """Hits of the rules of this module."""
    return scan_texts(RULES, batch, settings)


DETECTORS = (Detector("form_blanks", (PLACEHOLDER,), scan=scan),)
