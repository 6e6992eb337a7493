"""Leaks that are not plain equality: candidates are looked up, read again and judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from assay.data.curate.alike import read_rows
from assay.data.curate.bands import BandPlan
from assay.data.curate.batch import CheckedRow
from assay.data.curate.detector import Evidence, Sketch
from assay.data.curate.finding import Hit, Span
from assay.data.curate.held_out import HeldOut
from assay.data.curate.leak_judge import Judge
from assay.data.curate.leak_passages import PassageSearch
from assay.data.curate.leak_prints import RowPrint, print_rows
from assay.data.curate.leak_rules import LEAKED_ROW, NEAR_LEAKED_ROW, OVERLAPPING_TEXT, plan_bands
from assay.data.curate.leak_search import (
    Candidates,
    CandidateSearch,
    band_prints,
    choose_partners,
    chunks,
)
from assay.data.curate.leak_template import find_template
from assay.data.curate.leak_usual import UnusualPassages
from assay.data.curate.settings import Settings
from assay.data.curate.words import Numbers

_ROWS_AT_ONCE = 2_000


def iterate_train(evidence: Evidence) -> Iterator[Sketch]:
    return (one for one in evidence.sketches() if one["is_train"] and len(one["number"]))


def build_hit(
    row: int, rule: str, what: str, held_out: HeldOut, place: int, span: Span | None = None
) -> Hit:
    evidence = f"{what} {held_out.describe(place)}"
    return Hit(row, rule, evidence, span, related=held_out.list_related(place))


def find_others(
    evidence: Evidence,
    held_out: HeldOut,
    settings: Settings,
    *,
    exact: Sequence[int],
    numbers: Numbers,
) -> Iterator[Hit]:
    """Leaks of rows that are not simply equal; `numbers` are those of all distinct other rows."""
    search = CandidateSearch(held_out.marks, np.array(exact, np.int64))
    found = search.run(lambda: iterate_train(evidence), len(numbers))
    if not len(found.rows):
        return
    template = find_template(evidence, numbers)
    judge = Judge(
        template,
        question_words=settings.option(LEAKED_ROW.name, "words"),
        near=settings.option(LEAKED_ROW.name, "threshold"),
        threshold=settings.option(NEAR_LEAKED_ROW.name, "threshold"),
    )
    if len(found.crowded):
        found = _search_crowded(evidence, held_out, search, found, judge, plan_bands(settings))
    wanted = PassageSearch(
        template.said,
        min_words=settings.option(OVERLAPPING_TEXT.name, "words"),
        min_characters=settings.option(OVERLAPPING_TEXT.name, "characters"),
    )
    passages = UnusualPassages(evidence, numbers, judge, wanted, len(held_out.marks))
    for rows, places in chunks(found, _ROWS_AT_ONCE):
        yield from _judge_rows(held_out, passages, rows, places)


def _search_crowded(
    evidence: Evidence,
    held_out: HeldOut,
    search: CandidateSearch,
    found: Candidates,
    judge: Judge,
    plan: BandPlan,
) -> Candidates:
    """The candidates, with those of rows that share a template looked for by what else they ask."""
    places = search.crowded_places
    prints = held_out.read_prints(places.tolist())
    bands = band_prints([prints[place] for place in places.tolist()], judge.template.asked, plan)
    marks = replace(
        held_out.marks,
        bands=held_out.marks.bands.copy(),
        has_bands=np.zeros(len(held_out.marks), bool),
    )
    marks.bands[places], marks.has_bands[places] = bands, True
    again = CandidateSearch(marks, search.without)
    more_rows, more_places = [found.rows], [found.places]
    for rows in read_rows(evidence, np.unique(found.crowded)):
        own = band_prints(print_rows(rows), judge.template.asked, plan)
        numbers = np.array([row.number for row in rows], np.int64)
        (matched, partners), _ = again.match_bands(own, numbers)
        chosen, partners = choose_partners((matched << 32) | partners, np.ones(len(matched)))
        more_rows.append(chosen)
        more_places.append(partners)
    return Candidates(np.concatenate(more_rows), np.concatenate(more_places), found.crowded)


def _judge_rows(
    held_out: HeldOut, passages: UnusualPassages, rows: Numbers, places: Numbers
) -> Iterator[Hit]:
    """Hits of some rows, each with every held-out row that it may have been taken from."""
    read = held_out.evidence.rows(np.unique(rows).tolist())
    own = dict(zip(read, print_rows(list(read.values())), strict=True))
    held = held_out.read_prints(np.unique(places).tolist())
    starts = np.searchsorted(rows, list(read))
    for row, partners in zip(read, np.split(places, starts[1:]), strict=True):
        judged = [(*passages.judge.rank(own[row], held[one]), one) for one in partners.tolist()]
        rank, _, what, place = max(judged, key=lambda one: one[:2])
        if rank > 1:
            rule = LEAKED_ROW if rank == 3 else NEAR_LEAKED_ROW
            yield build_hit(row, rule.name, what, held_out, place)
        elif rank:
            sharing = {place: held[place] for rank, *_, place in judged if rank}
            yield from _tell_passage(read[row], passages, sharing, held_out)


def _tell_passage(
    row: CheckedRow, passages: UnusualPassages, sharing: dict[int, RowPrint], held_out: HeldOut
) -> Iterator[Hit]:
    found = passages.find(row, sharing)
    if found:
        place, passage = found
        what = f"a passage of {passage.num_words} words stands in it and in"
        yield build_hit(row.number, OVERLAPPING_TEXT.name, what, held_out, place, passage.span)
