"""What is opened in an answer and never closed: code fences, JSON, mathematics, tags."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from assay.data.curate.batch import Batch, Text
from assay.data.curate.detector import Detector
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.passages import ANSWERS, Passage, TextRule, blank_code, scan_texts
from assay.data.curate.settings import Settings

UNCLOSED_FENCE = Rule(
    "unclosed_fence",
    "form",
    "warning",
    "repair",
    "A code block that is opened by ``` and never closed; often the answer was cut off there.",
)
BROKEN_JSON_ANSWER = Rule(
    "broken_json_answer",
    "form",
    "warning",
    "drop",
    "An answer, or a code block named json, that looks like JSON and cannot be parsed.",
)
UNBALANCED_LATEX = Rule(
    "unbalanced_latex",
    "form",
    "warning",
    "drop",
    "Mathematics that is opened and never closed, or closed and never opened.",
)
UNBALANCED_TAG = Rule(
    "unbalanced_tag",
    "form",
    "warning",
    "drop",
    "A mark of reasoning, answer or tool call, such as <think>, without its other half.",
)

_FENCE = re.compile(r"^ {0,3}(?:[-*>] +|\d+\. +)*[ \t]*(`{3,}|~{3,})([^`\n]*)$", re.M)
_JSON_BLOCK = re.compile(r"(?ms)^[ \t]*```[ \t]*json[ \t]*\n(.*?)^[ \t]*```[ \t]*$")
# What people write in JSON that is meant to be read: an ellipsis, a comment, a placeholder.
_ILLUSTRATION = re.compile(r"\.\.\.|…|//|/\*|#|<[a-z_ ]+>|\{\{")
_JSON_START = re.compile(r'\s*(\{\s*"|\[\s*[\[{"])')
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_DECODER = json.JSONDecoder()
_COMMAND = re.compile(r"\\[a-zA-Z]{2,}|[\^_]\{")
_ENVIRONMENT = re.compile(r"\\(begin|end)\{([a-zA-Z*]+)\}")
_TAGS = "think|thinking|thought|reasoning|scratchpad|answer|solution|tool_call|tool_response"
_TAG = re.compile(rf"<(/?)({_TAGS})>")


def find_open_fence(text: Text) -> Iterator[Passage]:
    """The opening line of a block that no later fence closes (CommonMark 0.31, section 4.5)."""
    opened: re.Match[str] | None = None
    for match in _FENCE.finditer(text.text):
        if opened is None:
            opened = match
        elif match[1].startswith(opened[1]) and not match[2].strip():
            opened = None
    if opened is None:
        return
    last = text.text.rstrip().rfind("\n") + 1
    closed = f"{text.text[last:].rstrip()}\n{opened[1]}"
    line = text.text.count("\n", 0, opened.start()) + 1
    evidence = f"the block opened in line {line} of the answer ({opened[0].strip()}) never closes"
    yield Passage(last, len(text.text), evidence, closed)


def find_broken_json(text: Text) -> Iterator[Passage]:
    """The answer that begins like JSON, or each block named json, that does not parse.

    Words after the JSON of a whole answer are no mistake; in a block they are.
    """
    opening = _JSON_START.match(text.text)
    if opening:
        yield from _parse(text.text.rstrip(), opening.end() - len(opening[1]), has_words=True)
    for match in _JSON_BLOCK.finditer(text.text):
        if match[1].strip()[:1] in ("{", "["):
            block = text.text[: match.end(1)].rstrip()
            start = match.start(1) + len(match[1]) - len(match[1].lstrip())
            yield from _parse(block, start, has_words=False)


def _parse(text: str, start: int, *, has_words: bool) -> Iterator[Passage]:
    if _ILLUSTRATION.search(_STRING.sub('""', text[start:])):
        return
    place = start
    try:
        while place < len(text) and not (has_words and place > start):
            _, place = _DECODER.raw_decode(text, place)
            place += len(text[place:]) - len(text[place:].lstrip())
    except ValueError as error:
        yield Passage(start, len(text), f"JSON that does not parse: {error}")
    except RecursionError:
        yield Passage(start, len(text), "JSON that is nested too deeply to parse")


def find_open_latex(text: Text) -> Iterator[Passage]:
    """The first pair of marks whose halves are not equally many, and where they begin."""
    plain = blank_code(text.text)
    if not _COMMAND.search(plain):
        return
    begun = [match[2] for match in _ENVIRONMENT.finditer(plain) if match[1] == "begin"]
    ended = [match[2] for match in _ENVIRONMENT.finditer(plain) if match[1] == "end"]
    if sorted(begun) != sorted(ended):
        odd = next(name for name in [*begun, *ended] if begun.count(name) != ended.count(name))
        start = re.search(rf"\\(?:begin|end)\{{{re.escape(odd)}\}}", plain)
        yield _point(start, f"\\begin and \\end of {odd} do not pair")
    elif plain.count("$$") % 2 and _COMMAND.search(plain, plain.rfind("$$")):
        last = plain.rfind("$$")
        yield Passage(last, last + 2, "an odd number of $$")
    else:
        for opening, closing in ((r"\[", r"\]"), (r"\(", r"\)")):
            counts = [_count_mark(plain, one) for one in (opening, closing)]
            if counts[0] != counts[1]:
                place = re.search(f"{re.escape(opening)}|{re.escape(closing)}", plain)
                yield _point(place, f"{counts[0]} times {opening}, {counts[1]} times {closing}")
                return


def _count_mark(plain: str, mark: str) -> int:
    # `\\[2pt]` ends a line of a matrix and opens nothing.
    return len(re.findall(rf"(?<!\\){re.escape(mark)}", plain))


def _point(match: re.Match[str] | None, evidence: str) -> Passage:
    start, end = match.span() if match else (0, 0)
    return Passage(start, end, evidence)


def find_open_tags(text: Text) -> Iterator[Passage]:
    """The first tag without its other half.

    A lone ``</think>`` is none: several templates open the block in the prompt.
    """
    found = list(_TAG.finditer(blank_code(text.text)))
    opened: list[re.Match[str]] = []
    for number, match in enumerate(found):
        if not match[1]:
            opened.append(match)
        elif opened and opened[-1][2] == match[2]:
            opened.pop()
        elif number or not match[2].startswith("think"):
            yield Passage(*match.span(), f"{match[0]} closes what was never opened")
            return
    if opened:
        yield Passage(*opened[0].span(), f"{opened[0][0]} is never closed")


RULES = (
    TextRule(UNCLOSED_FENCE, ANSWERS, "```|~~~", find_open_fence),
    TextRule(
        BROKEN_JSON_ANSWER, ANSWERS, r'```[ \t]*json|^\s*(?:\{\s*"|\[\s*[\[{"])', find_broken_json
    ),
    TextRule(UNBALANCED_LATEX, ANSWERS, r"\$\$|\\[\[\]()]|\\begin\{|\\end\{", find_open_latex),
    TextRule(UNBALANCED_TAG, ANSWERS, rf"</?(?:{_TAGS})>", find_open_tags),
)


def scan(batch: Batch, settings: Settings) -> Iterable[Hit]:
    """Hits of the rules of this module."""
    return scan_texts(RULES, batch, settings)


DETECTORS = (Detector("form_balance", tuple(one.rule for one in RULES), scan=scan),)
