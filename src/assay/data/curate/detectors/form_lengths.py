"""Answers that were cut off, and rows far longer or shorter than the set's others.

What an answer usually looks like is taken from the set itself: where a third of the answers end
without a full stop, such an end says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from assay.data.curate.batch import Batch
from assay.data.curate.detector import Detector, Evidence, Sketch
from assay.data.curate.finding import Hit, Rule, Span
from assay.data.curate.passages import is_code, iterate_rows, show
from assay.data.curate.settings import Settings
from assay.data.records import Record

CUT_OFF = Rule(
    "cut_off",
    "form",
    "warning",
    "drop",
    "An answer that ends in the middle of a sentence, which the set's answers rarely do.",
    options={"rare_ratio": 0.05, "min_chars": 40},
)
LENGTH_CAP = Rule(
    "length_cap",
    "form",
    "warning",
    "drop",
    "Several answers that are cut at the very same length: a limit of whatever wrote them.",
    options={"min_rows": 5, "min_chars": 200},
)
LENGTH_OUTLIER = Rule(
    "length_outlier",
    "form",
    "info",
    "keep",
    "A question or an answer far longer or shorter than the set's others.",
    options={"num_deviations": 6.0, "min_rows": 100, "usual_ratio": 0.01},
)

SHORT, CLOSED, DIGIT, LETTER, OPEN, LINE, OTHER = range(7)
_ENDS = ("", "closed", "in a digit", "in the middle of a sentence", "open", "in a short line", "")
_CLOSING = frozenset(".!?…。！？؟।\"'”’»›)]}）】>*_`~|")
_OPENING = frozenset(",;([{（【“„«‹&+=–—-")
# Words that end no sentence, even where the last full stop is left out.
_FUNCTION_WORD = re.compile(
    r"(?i)\b(?:the|an|and|or|because|into|which|und|oder|der|les|des|et|ou|el|los|las|para|que)$"
)
_LIST_MARK = re.compile(r"\n[ \t]*(?:\d+[.)]|[-*•])$")
_LAST_LINE = 40
_TAIL = 60
# A median deviation of nearly nothing, in sets of equal lengths, would make outliers of everything.
_MIN_DEVIATION = 0.35
_FAR = 8


def read_answer(record: Record) -> str:
    """The text that a row ends with; nothing where it ends with a call."""
    last = record.messages[-1]
    return "" if last.get("tool_calls") else str(last["content"] or "")


def classify_end(answer: str, min_chars: int) -> int:
    """How an answer ends; one of less than `min_chars` characters is a label, and ``SHORT``."""
    text = answer.rstrip()
    if len(text) < min_chars:
        return SHORT
    last = text[-1]
    is_open = last in _OPENING and text[-2] != last  # a ruler of hyphens is none
    if is_open or _LIST_MARK.search(text[-8:]) or _FUNCTION_WORD.search(text[-12:]):
        return OTHER if is_code(text) else OPEN
    if last in _CLOSING:
        return CLOSED
    if last.isdigit():
        return DIGIT
    line = text[text.rfind("\n") + 1 :]
    if "\n" in text and (len(line) <= _LAST_LINE or is_code(text)):
        return LINE
    word = line.rsplit(" ", 1)[-1]
    return LETTER if last.isalpha() and not re.search(r"[/@._]", word) else OTHER


def sketch_lengths(batch: Batch, settings: Settings) -> Sketch:
    """Of each row: number, characters of question and of answer, and how the answer ends."""
    min_chars = settings.option(CUT_OFF.name, "min_chars")
    answers = [read_answer(row.record) for row in batch.rows]
    asked = [_count_asked(row.record) for row in batch.rows]
    return {
        "number": np.array([row.number for row in batch.rows], np.int64),
        "asked": np.array(asked, np.int32),
        "answered": np.array([len(answer) for answer in answers], np.int32),
        "end": np.array([classify_end(answer, min_chars) for answer in answers], np.uint8),
    }


def _count_asked(record: Record) -> int:
    return sum(len(one["content"] or "") for one in record.messages if one["role"] == "user")


def conclude(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """Cut answers, caps and outliers, from the sketches of all rows."""
    sketches = list(evidence.sketches())
    if not sketches:
        return
    joined = {name: np.concatenate([one[name] for one in sketches]) for name in sketches[0]}
    if settings.is_on(CUT_OFF.name):
        yield from _find_cut(evidence, joined, settings.option(CUT_OFF.name, "rare_ratio"))
    if settings.is_on(LENGTH_CAP.name):
        yield from _find_cap(joined, settings[LENGTH_CAP.name].options)
    if settings.is_on(LENGTH_OUTLIER.name):
        for name in ("asked", "answered"):
            yield from _find_outliers(joined, name, settings[LENGTH_OUTLIER.name].options)


def _find_cut(evidence: Evidence, joined: Mapping[str, Any], rare_ratio: float) -> Iterator[Hit]:
    """The answers that end as hardly any other does; in a small set only the surest ends count."""
    ends = joined["end"]
    total = int((ends != SHORT).sum())
    found: dict[int, str] = {}
    for end in (OPEN, LETTER):
        numbers = joined["number"][ends == end]
        is_rare = len(numbers) <= max(rare_ratio * total, 1)
        if len(numbers) and is_rare and (end == OPEN or total * rare_ratio >= 1):
            told = f"the answer ends {_ENDS[end]}, as {len(numbers)} of {total} do"
            found |= dict.fromkeys((int(number) for number in numbers), told)
    for row in iterate_rows(evidence, found):
        text = str(row.record.messages[-1]["content"])
        start = max(0, len(text.rstrip()) - _TAIL)
        path = f"messages[{len(row.record.messages) - 1}].content"
        span = Span(path, start, len(text), show(text[start:]))
        yield Hit(row.number, CUT_OFF.name, found[row.number], span)


def _find_cap(joined: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[Hit]:
    """Answers of exactly the greatest length of all, where most of them end without a close."""
    lengths, ends = joined["answered"], joined["end"]
    longest = int(lengths.max(initial=0))
    at_cap = lengths == longest
    is_cut = at_cap & (ends != CLOSED)
    enough = int(at_cap.sum()) >= options["min_rows"] and 2 * is_cut.sum() > at_cap.sum()
    if longest < options["min_chars"] or not enough:
        return
    told = f"{int(at_cap.sum())} answers have exactly {longest} characters, and none has more"
    for number in joined["number"][is_cut]:
        yield Hit(int(number), LENGTH_CAP.name, told, cluster=f"cap-{longest}")


def _find_outliers(
    joined: Mapping[str, Any], name: str, options: Mapping[str, Any]
) -> Iterator[Hit]:
    """Lengths that hardly any other row of the set comes near."""
    given = joined[name] > 0
    lengths, numbers = joined[name][given], joined["number"][given]
    if len(lengths) < options["min_rows"]:
        return
    far = _is_far(lengths, options["num_deviations"], options["usual_ratio"])
    words = {"asked": "question", "answered": "answer"}
    usual = round(float(np.median(lengths)))
    for number, length in zip(numbers[far], lengths[far], strict=True):
        told = f"{length:,} characters of {words[name]}, where half of the rows have {usual:,}"
        yield Hit(int(number), LENGTH_OUTLIER.name, told)


def _is_far(lengths: Any, num_deviations: float, usual_ratio: float) -> Any:
    """Which lengths lie far from the others, unless more than the usual share of them does.

    Far from the median, in median deviations of the logarithm (Leys et al. 2013); or, since labels
    and letters in one set make that deviation large, `_FAR` times beyond all but that share.
    """
    logs = np.log1p(lengths.astype(np.float64))
    median = np.median(logs)
    deviation = max(1.4826 * float(np.median(np.abs(logs - median))), _MIN_DEVIATION)
    share = min(usual_ratio, 0.5)
    low = np.quantile(logs, share, method="higher") - np.log(_FAR)
    high = np.quantile(logs, 1 - share, method="lower") + np.log(_FAR)
    found = np.zeros(len(logs), bool)
    for far in (np.abs(logs - median) > num_deviations * deviation, (logs < low) | (logs > high)):
        if far.sum() <= max(1.0, usual_ratio * len(logs)):
            found |= far
    return found


RULES = (CUT_OFF, LENGTH_CAP, LENGTH_OUTLIER)
DETECTORS = (Detector("form_lengths", RULES, sketch=sketch_lengths, conclude=conclude, version=2),)
