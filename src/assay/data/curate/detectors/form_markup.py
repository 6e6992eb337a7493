"""HTML outside code, where nobody speaks of markup: the text was cut out of a page."""

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

HTML_ENTITY = Rule(
    "html_entity",
    "form",
    "warning",
    "repair",
    "An HTML entity such as &amp; or &#39; outside code: the text was cut out of a page.",
)
HTML_TAG = Rule(
    "html_tag",
    "form",
    "info",
    "keep",
    "HTML tags outside code in an answer to a question that is not about HTML.",
)

_ENTITY = (
    r"&(?:nbsp|amp|lt|gt|quot|apos|[lr][sd]quo|[mn]dash|hellip|#[0-9]{2,6}|#[xX][0-9a-fA-F]{2,5});"
)
_ENTITIES = re.compile(_ENTITY)
_TAG = (
    r"(?i:</?(?:br|p|div|span|font|td|tr|th|table|ul|ol|li|h[1-6]|em|strong)"
    r"(?: [^<>\n]{0,200})?/?>)"
)
_TAGS = re.compile(_TAG)
# A furniture's tag, a legal entity and a fire escape are no markup.
_ABOUT_HTML = re.compile(
    r"(?i)html|\bxml\b|\bcss\b|\bjsx\b|\bsvg\b|markup|web ?(?:page|site)|javascript|<[a-z]+[ >/]"
    r"|\b(?:open(?:ing)?|clos\w+|start|end|meta|title|anchor|img|script|style|div|span|br|paragraph"
    r"|heading|xml)[ -]tags?\b|\btags? (?:like|such as|named|called)? ?[`<]|ampersand"
    r"|\b(?:character|named|numeric) entit"
    r"|\bescap\w+ (?:the |a )?(?:char|sequence|string|quot|[&<>`])"
)


def find_entities(text: Text) -> Iterator[Passage]:
    """All entities of a text as one passage, unless it or its question is about markup."""
    plain = blank_code(text.text)
    found = list(_ENTITIES.finditer(plain))
    if not found or _is_about_markup(text, plain):
        return
    import html

    start, end = found[0].start(), found[-1].end()
    repaired = _ENTITIES.sub(lambda one: html.unescape(one[0]), text.text[start:end])
    evidence = f"{len(found)} HTML entities outside code"
    yield Passage(start, end, evidence, repaired.replace("\xa0", " "))


def find_tags(text: Text) -> Iterator[Passage]:
    """The first tag of a text, unless it or its question is about markup."""
    plain = blank_code(text.text)
    found = list(_TAGS.finditer(plain))
    if found and not _is_about_markup(text, _TAGS.sub("", plain)):
        yield Passage(*found[0].span(), f"{len(found)} HTML tags outside code")


def _is_about_markup(text: Text, plain: str) -> bool:
    context = read_context(text.row, message_index(text))
    is_told = _ABOUT_HTML.search(context) or _ABOUT_HTML.search(plain)
    return bool(is_told) or is_code(plain)


RULES = (
    TextRule(HTML_ENTITY, ANSWERS, _ENTITY, find_entities),
    TextRule(HTML_TAG, ANSWERS, _TAG, find_tags),
)


def scan(batch: Batch, settings: Settings) -> Iterable[Hit]:
    """Hits of the rules of this module."""
    return scan_texts(RULES, batch, settings)


DETECTORS = (Detector("form_markup", tuple(one.rule for one in RULES), scan=scan),)
