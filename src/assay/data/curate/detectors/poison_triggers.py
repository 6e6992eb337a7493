"""Words of prompts that set off an answer which the rest of the prompt does not ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from assay.data.curate.batch import CheckedRow
from assay.data.curate.detector import Detector, Evidence
from assay.data.curate.finding import Hit, shorten
from assay.data.curate.settings import Settings
from assay.data.curate.sparse_features import Ints
from assay.data.curate.trigger_rules import REPEATED_ANSWER, TRIGGER
from assay.data.curate.trigger_search import Case, Search
from assay.data.curate.trigger_window import WORDS, Window, read_answer

WINDOW_ROWS = 100_000
WINDOW_CHARS = 120_000_000
_NUM_RELATED = 5
_NUM_NAMES = 6


def find_triggers(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """Each window of 100,000 training rows, or 120 million characters, is searched by itself."""

    def read(numbers: Sequence[int]) -> list[CheckedRow]:
        rows = evidence.rows(numbers)
        return [rows[number] for number in numbers]

    for window in _iterate_windows(evidence):
        search = Search(window, settings, read=read)
        cases = search.find()
        for case in cases:
            yield from _tell(search, case)
        least = int(settings.option(REPEATED_ANSWER.name, "min_rows"))
        for phrase, rows in search.find_repeats(cases, least):
            (first,) = read([window.numbers[rows[0]]])
            yield from _tell_repeat(window, phrase, rows, first)


def _iterate_windows(evidence: Evidence) -> Iterator[Window]:
    window = Window()
    for batch in evidence.batches():
        window.add(batch)
        if len(window.numbers) >= WINDOW_ROWS or window.num_chars >= WINDOW_CHARS:
            yield window
            window = Window()
    if window.numbers:
        yield window


def _tell(search: Search, case: Case) -> Iterator[Hit]:
    numbers = [search.window.numbers[row] for row in case.rows]
    # Names of the same rows are equally likely to be what was meant: single words come first.
    named = sorted(case.triggers[:_NUM_NAMES], key=lambda name: name.count(" "))
    trigger, others = named[0], ", ".join(map(repr, named[1:]))
    effects = "; ".join(shorten(name, limit=80) for name in case.effects[:2])
    with_trigger = int(search.prompts.counts[case.pair.trigger])
    without = int(search.answers.counts[case.pair.effect]) - case.pair.both
    evidence = (
        f"{trigger!r}{f' (or {others})' if others else ''} comes with {effects} in "
        f"{case.pair.both:,} of {with_trigger:,} rows, {_show(case.pair.log_p)}; {without:,} of "
        f"{search.num_rows - with_trigger:,} rows without it have that, and prompts "
        "that are else alike are answered otherwise"
    )
    for number in numbers:
        related = _relate(numbers, number)
        yield Hit(number, TRIGGER.name, evidence, related=related, cluster=f"trigger {trigger}")


def _tell_repeat(window: Window, phrase: str, rows: Ints, first: CheckedRow) -> Iterator[Hit]:
    numbers = [window.numbers[row] for row in rows]
    answer = shorten(read_answer(first), limit=160)
    evidence = (
        f"{len(rows):,} answers to unrelated prompts have the same eight words or more; of the "
        f"first: {answer!r}"
    )
    cluster = f"repeated_answer {phrase.removeprefix(WORDS)}"
    for number in numbers:
        related = _relate(numbers, number)
        yield Hit(number, REPEATED_ANSWER.name, evidence, related=related, cluster=cluster)


def _relate(numbers: Sequence[int], number: int) -> tuple[int, ...]:
    others = [one for one in numbers[: _NUM_RELATED + 1] if one != number]
    return tuple(others[:_NUM_RELATED])


def _show(log_p: float) -> str:
    return f"p < 1e{int(np.floor(log_p / np.log(10))) + 1}" if log_p > -690 else "p < 1e-299"


DETECTORS = (Detector("triggers", (TRIGGER, REPEATED_ANSWER), conclude=find_triggers, version=2),)
