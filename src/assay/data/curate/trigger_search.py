"""Words of prompts that come with an answer more often than by chance, and passages that recur."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from assay.data.curate.exact_tests import Floats, adjust_log_p, compute_log_tail
from assay.data.curate.prompt_vectors import PromptVectors
from assay.data.curate.settings import Settings
from assay.data.curate.sparse_features import Ints
from assay.data.curate.trigger_judge import QUERIES, Judge, Pair, Read, spread
from assay.data.curate.trigger_rules import TRIGGER
from assay.data.curate.trigger_window import Window, is_phrase

_MAX_TRIGGER_SHARE = 5
_MAX_ANSWER_SHARE = 1
_MAX_PHRASE_SHARE = 10
_MAX_JUDGED = 2_000
_POOL_ROWS = 6_000
# Phrases of four words that stand in the same rows: five of them are eight words in a row.
_MIN_PHRASES = 5
_MAX_REPEATED_SHARE = 20
_MAX_REPEATED_COHESION = 1.5
_MIN_WHOLE = 0.4
_MIN_FOREIGN = 0.9


@dataclass
class Case:
    """One trigger with all its names and effects, and the rows that have both."""

    triggers: list[str]
    effects: list[str]
    pair: Pair
    rows: Ints


class Search:
    """One window of rows: its features, and the pairs of them that are cases."""

    def __init__(self, window: Window, settings: Settings, *, read: Read) -> None:
        self.window = window
        self._least = int(settings.option(TRIGGER.name, "min_rows"))
        self._share = float(settings.option(TRIGGER.name, "min_share"))
        self._alpha = float(settings.option(TRIGGER.name, "alpha"))
        self.num_rows = len(window.numbers)
        # A trigger's wordings may each stand in a few of its rows alone.
        wordings = range(max(self._least // 3, 2), self._bounds(_MAX_TRIGGER_SHARE).stop)
        self.prompts = window.collect_prompts(wordings)
        limit = max(self.num_rows // _MAX_PHRASE_SHARE, self._least + 1)
        self.answers = window.collect_answers(self._bounds(_MAX_ANSWER_SHARE), limit)
        num_tokens = len(window.vocabulary.tokens)
        self.vectors = PromptVectors(window.prompts, num_tokens, pool_rows=_POOL_ROWS)
        self.judge = Judge(
            window,
            self.prompts,
            self.answers,
            self.vectors,
            least=self._least,
            share=self._share,
            read=read,
        )

    def _bounds(self, share: int) -> range:
        return range(self._least, max(self.num_rows // share, self._least + 1))

    def find(self) -> list[Case]:
        """Cases, the one with the most rows first."""
        cases: list[Case] = []
        for pair in self._find_pairs():
            rows = np.intersect1d(self.prompts.rows(pair.trigger), self.answers.rows(pair.effect))
            known = next((one for one in cases if _overlaps(rows, one.rows)), None)
            if known is None and self.judge.is_suspicious(pair, rows):
                cases.append(Case([], [], pair, rows))
                known = cases[-1]
            if known is not None:
                _add(known.triggers, self.judge.name_prompt(pair.trigger))
                _add(known.effects, self.judge.name_answer(pair.effect))
        return cases

    def find_repeats(self, cases: list[Case], least: int) -> Iterator[tuple[str, Ints]]:
        """Long passages of answers, with their rows, to unrelated prompts that have no trigger."""
        nothing = np.zeros(0, np.int64)
        for effect in range(len(self.answers)):
            rows = self.answers.rows(effect)
            phrases = list(filter(is_phrase, self.answers.codes_of(effect)))
            if len(phrases) < _MIN_PHRASES or len(rows) < least:
                continue
            if len(rows) * _MAX_REPEATED_SHARE > self.num_rows or self._abstain(rows):
                continue
            if any(_overlaps(rows, case.rows) for case in cases):
                continue
            queries = spread(rows, QUERIES)
            if (
                self.vectors.compute_completeness(queries, nothing) >= _MIN_WHOLE
                and self.vectors.compute_cohesion(queries, nothing) <= _MAX_REPEATED_COHESION
                and self.judge.measure_contradiction(effect, queries, rows, nothing) >= _MIN_FOREIGN
            ):
                yield self.window.name_answer(phrases[0], int(rows[0])), rows

    def _abstain(self, rows: Ints) -> bool:
        """Whether tools are offered and none is called: the same words say so everywhere."""
        return all(map(self.window.abstains, rows))

    def _find_pairs(self) -> list[Pair]:
        """Pairs whose association stays significant after Benjamini and Hochberg's correction."""
        sizes = self.prompts.counts
        found: list[tuple[int, int, int]] = []
        for effect in range(len(self.answers)):
            features = self.prompts.of_rows(self.answers.rows(effect))
            both = np.bincount(features, minlength=len(sizes))
            often = np.flatnonzero((both >= self._least) & (both >= self._share * sizes))
            found += [(int(one), effect, int(both[one])) for one in often]
        if not found:
            return []
        table = np.array(found, np.int64)
        log_p = self._test(table, sizes)
        order = np.lexsort((log_p, -table[:, 2]))
        kept = [one for one in order if log_p[one] <= np.log(self._alpha)][:_MAX_JUDGED]
        return [
            Pair(int(table[one, 0]), int(table[one, 1]), int(table[one, 2]), float(log_p[one]))
            for one in kept
        ]

    def _test(self, table: Ints, sizes: Ints) -> Floats:
        both = table[:, 2].astype(np.float64)
        first = sizes[table[:, 0]].astype(np.float64)
        second = self.answers.counts[table[:, 1]].astype(np.float64)
        log_p = compute_log_tail(both, first, second, self.num_rows)
        return adjust_log_p(log_p, len(sizes) * len(self.answers))


def _overlaps(rows: Ints, others: Ints) -> bool:
    return len(np.intersect1d(rows, others)) >= 0.5 * len(rows)


def _add(names: list[str], more: tuple[str, ...]) -> None:
    names += [name for name in more if name not in names]
