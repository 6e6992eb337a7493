"""Answers that say nothing new: the prompt again, the same words in a loop, a word for nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np

from assay.data.curate.batch import Batch, Text
from assay.data.curate.detector import Detector, Evidence, Sketch
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.passages import (
    Passage,
    blank_code,
    find_question,
    iterate_rows,
    message_index,
    to_hit,
)
from assay.data.curate.settings import Settings

REPEATED_PROMPT = Rule(
    "repeated_prompt",
    "form",
    "warning",
    "drop",
    "An answer that is the question again, or begins with all of it.",
    options={"min_chars": 30},
)
LOOP = Rule(
    "loop",
    "form",
    "warning",
    "drop",
    "The same words again and again until the answer ends: what a model does that lost its way.",
    options={"min_repeats": 4, "min_chars": 80},
)
HOLLOW_ANSWER = Rule(
    "hollow_answer",
    "form",
    "warning",
    "drop",
    "A word that stands where an answer was lost, such as null, N/A, [deleted] or `...`; unless it "
    "is one of the set's usual answers.",
    options={"usual_ratio": 0.01},
)

# Such tasks rightly give the question's words back.
_CONTINUES = re.compile(
    r"(?i)\b(?:continue|complete|finish|extend|repeat|echo|copy|rewrite|correct|proofread|fix|edit"
    r"|revise|punctuat|format|quote|recite|fill in|add to)"
)
_HOLLOW = (
    r"^\s*(?i:null|none|nan|n/?a|nil|undefined|\[(?:deleted|removed)\]|error|tbd|todo"
    r"|no (?:answer|output|response)|<no ?input>|<empty>|\(empty\)"
    r"|\[\]|\{\}|-+|\.{2,}|…|\?+|_+|x+)[.!]?\s*$"
)
_WORD_BYTES = 24
_STRIDE, _ANCHOR, _MAX_PERIOD = 32, 12, 400
_LETTER = re.compile(r"[^\W\d_]")


def find_repeated(text: Text, min_chars: int) -> Iterator[Passage]:
    """The question at the beginning of the answer."""
    question = find_question(text.row, message_index(text)).strip()
    answer = text.text.strip()
    if len(answer) < len(question) or not question:
        return
    if answer.casefold() == question.casefold():
        yield Passage(0, len(text.text), "the answer is the question, word for word")
        return
    begins = len(question) >= min_chars and answer.startswith(question)
    if begins and not _CONTINUES.search(question):
        start = text.text.index(question)
        evidence = f"the answer begins with all {len(question)} characters of the question"
        yield Passage(start, start + len(question), evidence)


def find_loop(text: str, *, min_repeats: int, min_chars: int) -> tuple[int, int, int] | None:
    """Start, end and period (in characters) of words that follow one another without change.

    Every 32nd place is tried as a beginning, so that one of them lies in any loop of `min_chars`
    that could count; a unit without letters, as in tables and rulers, does not.
    """
    start = 0
    while start < len(text) - min_chars // 2:
        again = text.find(text[start : start + _ANCHOR], start + 1, start + _MAX_PERIOD + _ANCHOR)
        period, following = again - start, start + _STRIDE
        if again >= 0:
            first, end = _extend(text, start, period)
            if end - first >= max(min_chars, min_repeats * period):
                if _LETTER.search(text, start, again):
                    return first, end, period
                # A ruler, say: gone over once and no more.
                following = max(following, end)
        start = following
    return None


def _extend(text: str, start: int, period: int) -> tuple[int, int]:
    """The longest run around `start` in which each character is that of one period before."""
    unit = text[start : start + period]
    end = start + period
    while text.startswith(unit, end):
        end += period
    while end < len(text) and text[end] == text[end - period]:
        end += 1
    first = start
    while first >= period and text[first - period : first] == unit:
        first -= period
    while first > 0 and text[first - 1] == text[first - 1 + period]:
        first -= 1
    return first, end


def _find_loops(text: Text, settings: Settings) -> Iterator[Passage]:
    limits = settings[LOOP.name].options
    min_repeats, min_chars = limits["min_repeats"], limits["min_chars"]
    if len(text.text) < min_chars:
        return
    if not find_loop(text.text, min_repeats=min_repeats, min_chars=min_chars):
        return
    found = find_loop(blank_code(text.text), min_repeats=min_repeats, min_chars=min_chars)
    if found:
        start, end, period = found
        evidence = f"{(end - start) // period} times the same {period} characters"
        yield Passage(start, end, evidence)


def scan(batch: Batch, settings: Settings) -> Iterable[Hit]:
    """Repeated prompts and loops, in answers alone."""
    min_chars = settings.option(REPEATED_PROMPT.name, "min_chars")
    has_repeated, has_loops = (settings.is_on(one.name) for one in (REPEATED_PROMPT, LOOP))
    for text in batch.texts:
        if text.role != "assistant":
            continue
        is_answer = text.path.endswith(".content") and text.row.record.kind != "text"
        if has_repeated and is_answer:
            for passage in find_repeated(text, min_chars):
                yield to_hit(REPEATED_PROMPT, text, passage)
        if has_loops:
            for passage in _find_loops(text, settings):
                yield to_hit(LOOP, text, passage)


def sketch_hollow(batch: Batch, settings: Settings) -> Sketch:
    """Numbers of the rows with a hollow answer, their words, and how many rows there are."""
    texts = [one for one in batch.matching(_HOLLOW) if one.role == "assistant"]
    words = [one.text.strip().casefold().encode() for one in texts]
    return {
        "number": np.array([one.row.number for one in texts], np.int64),
        "word": np.array(words, f"S{_WORD_BYTES}"),
        "count": np.array([len(batch.rows)], np.int64),
    }


def find_hollow(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """The rows whose hollow answer is rarer than `usual_ratio` of all rows: others are labels."""
    sketches = list(evidence.sketches())
    if not sketches:
        return
    total = sum(int(one["count"][0]) for one in sketches)
    numbers = np.concatenate([one["number"] for one in sketches])
    _, kinds, counts = np.unique(
        np.concatenate([one["word"] for one in sketches]), return_inverse=True, return_counts=True
    )
    usual = max(2.0, settings.option(HOLLOW_ANSWER.name, "usual_ratio") * total)
    times = dict(zip(numbers.tolist(), counts[kinds].tolist(), strict=True))
    rare = [number for number, count in times.items() if count <= usual]
    for row in iterate_rows(evidence, rare):
        for text in Batch([row]).matching(_HOLLOW):
            if text.role == "assistant":
                word, count = text.text.strip(), times[row.number]
                told = f"{word!r} is the whole answer, in {count} of {total} rows"
                yield to_hit(HOLLOW_ANSWER, text, Passage(0, len(text.text), told))


DETECTORS = (
    Detector("form_echo", (REPEATED_PROMPT, LOOP), scan=scan),
    Detector("form_hollow", (HOLLOW_ANSWER,), sketch=sketch_hollow, conclude=find_hollow),
)
