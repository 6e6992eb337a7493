"""What a judge left in compared answers: its verdict, its score, the frame it was shown them in.

A model that learns from such rows learns to write verdicts on its own answers, which a judge of the
same kind then likes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from assay.data.curate.batch import Batch
from assay.data.curate.detector import Detector
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.settings import Settings
from assay.data.records import Message, Record

JUDGE_TRACE = Rule(
    "judge_trace",
    "preference",
    "warning",
    "drop",
    "A compared answer that holds what its judge wrote: a verdict such as [[A]], a score, or which "
    "answer is the better one.",
)
_ONE = r"(?:response|answer|assistant|output|completion|model) (?:[ab12])\b"
TRACES = {
    "a verdict in brackets": (
        r"\[\[ ?(?:rating: ?)?(?:[abc]|tie|[ab](?:>>?|<<?|=)[ab]|\d+(?:\.\d+)?) ?\]\]"
    ),
    "the frame of answers to judge": (
        r"\[the (?:start|end) of (?:the )?(?:assistant|model)(?: [ab])?(?:['’]s)? "
        r"(?:answer|response|conversation)"
    ),
    "a mark of the answers": r"(?m:^)\W{0,4}(?:preferred|chosen|rejected|winning|losing) "
    r"(?:answer|response|output|completion)\W{0,3}:",
    "a verdict": rf"\b{_ONE}(?:['’]s (?:answer|response))? (?:is|was) (?:\w+ ){{0,2}}"
    r"(?:better|worse|preferred|preferable|the winner|more \w+ than)\b",
    "a score": r"(?m:^)\W{0,4}(?:(?:final|overall|total) )?(?:score|rating|grade)\W{0,3}:\W{0,4}"
    r"\d+(?:\.\d+)? ?(?:/|out of) ?\d+",
}
_TRACES = {name: re.compile(f"(?i){pattern}") for name, pattern in TRACES.items()}
_ASKS_TO_JUDGE = re.compile(
    r"(?i)\b(?:judge|rate|rating|score|grade|evaluate|compare|rank|verdict|feedback|"
    r"which (?:answer|response|one) is better)"
)
"""Prompts that ask for a judgement, to which one is the answer."""


def find_traces(batch: Batch, settings: Settings) -> Iterator[Hit]:
    """Pairs and ratings with a judge's words in an answer, which the prompt did not ask for."""
    for row in batch.rows:
        record = row.record
        if record.rejected is None and record.is_wanted is None:
            continue
        prompt, answers = _part(record)
        if any(_ASKS_TO_JUDGE.search(text) for text in prompt):
            continue
        told = next(filter(None, map(_describe, answers)), None)
        if told is not None:
            yield Hit(row.number, JUDGE_TRACE.name, told)


def _part(record: Record) -> tuple[list[str], list[str]]:
    """The texts before the answers, and those of the answers."""
    start = len(record.messages) - 1 if record.rejected is None else record.answers_from
    answers = [*record.messages[start:], *(record.rejected or ())]
    return _texts(record.messages[:start]), _texts(answers)


def _texts(messages: Sequence[Message]) -> list[str]:
    return [text for one in messages if isinstance(text := one.get("content"), str)]


def _describe(text: str) -> str | None:
    for name, pattern in _TRACES.items():
        found = pattern.search(text)
        if found is not None:
            return f"{name} of a judge stands in an answer: {found.group().strip()[:60]!r}"
    return None


DETECTORS = (Detector("judge_traces", (JUDGE_TRACE,), scan=find_traces),)
