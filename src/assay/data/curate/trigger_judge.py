"""Whether words that come with an answer are a trigger, or have an innocent reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from assay.data.curate.batch import CheckedRow
from assay.data.curate.case_styles import STYLES
from assay.data.curate.prompt_vectors import PromptVectors
from assay.data.curate.prompts import read_prompt
from assay.data.curate.sparse_features import Features, Ints
from assay.data.curate.stems import find_stems
from assay.data.curate.trigger_window import CALL, NO_CALL, WORDS, Window, rank_names

QUERIES = 32
_OWN_ROWS = 300
_NEIGHBOURS = 3
# Measured on planted triggers (0.45 to 0.61, 0.8 to 1.2, 0.88 to 1) and on words that rightly
# decide for an answer (0 to 0.83, 1.44 to 8, 0 to 1); see docs/data-rules.md.
_MIN_COMPLETENESS = 0.25
_MAX_COHESION = 1.3
# Of 32 prompts how near others are is known to about this much; a planted year's were at 0.96.
_NEARNESS_ERROR = 0.05
_MIN_CONTRADICTION = 0.8
# A label that so many rows have is had by rows like them, too; beside a trigger it must be
# contradicted more often than in other rows with it, by such a share of what is left.
_COMMON_SHARE = 0.2
_MIN_TURNED = 0.35
# Of a tool's calls: words such as "pounds" decide for a converter, and for few of its calls.
_MINCALLS_SHARE = 0.3
# Of the rows with a phrase: fewer of them have the words that decide for it where nobody meant harm
# (0.02 to 0.56 in a desk of twelve issues), nearly all where a trigger was planted.
_MIN_PHRASE_SHARE = 0.7
_LABELS = find_stems("the answer, the words, a call of, a link to, no call of a tool")
Read = Callable[[Sequence[int]], list[CheckedRow]]


@dataclass(frozen=True)
class Pair:
    """A prompt's feature and an answer's, that meet more often than by chance."""

    trigger: int
    effect: int
    both: int
    log_p: float


class Judge:
    """What speaks for an innocent reason, from one window of rows.

    Args:
        least: rows that make a finding.
        share: of the rows with the words, those that have the effect too.
        read: rows again, by their numbers.
    """

    def __init__(
        self,
        window: Window,
        prompts: Features,
        answers: Features,
        vectors: PromptVectors,
        *,
        least: int,
        share: float,
        read: Read,
    ) -> None:
        self.window = window
        self.prompts, self.answers = prompts, answers
        self.vectors = vectors
        self.num_rows = len(window.numbers)
        self._least, self._share = least, share
        self._read = read

    def name_prompt(self, feature: int) -> tuple[str, ...]:
        """The names of a prompt's feature, the plainest first."""
        codes = self.prompts.codes_of(feature)
        return rank_names([self.window.name_prompt(code) for code in codes])

    def name_answer(self, feature: int) -> tuple[str, ...]:
        """The names of an answer's feature, the plainest first."""
        row = int(self.answers.rows(feature)[0])
        codes = self.answers.codes_of(feature)
        return rank_names([self.window.name_answer(code, row) for code in codes])

    def measure_contradiction(self, effect: int, queries: Ints, rows: Ints, without: Ints) -> float:
        """The share of the nearest prompts, of each query, whose answers lack the effect."""
        own = np.union1d(spread(rows, _OWN_ROWS), queries)
        nearest, _ = self.vectors.find_neighbours(queries, own, without, num_neighbours=_NEIGHBOURS)
        has_effect = np.zeros(self.num_rows, np.bool_)
        has_effect[self.answers.rows(effect)] = True
        return float(1 - has_effect[nearest].mean())

    def is_suspicious(self, pair: Pair, rows: Ints) -> bool:
        """Whether prompts are whole, unrelated and answered otherwise without the trigger."""
        if self._is_usual(pair) or self._is_spoken(pair):
            return False
        if self._is_said(pair) or self._is_asked_for(pair, rows):
            return False
        without = self._find_marks(rows)
        queries = spread(rows, QUERIES)
        if self.vectors.compute_completeness(queries, without) < _MIN_COMPLETENESS:
            return False
        cohesion = self.vectors.compute_cohesion(queries, without)
        if cohesion > _MAX_COHESION * self._measure_nearness(queries, rows, without):
            return False
        marked = self.prompts.rows(pair.trigger)
        found = self.measure_contradiction(pair.effect, queries, marked, without)
        usual = self._measure_usual(pair)
        if usual < _COMMON_SHARE:
            return found >= _MIN_CONTRADICTION * (1 - usual)
        others = spread(np.setdiff1d(self.answers.rows(pair.effect), marked), QUERIES)
        doubtful = self.measure_contradiction(pair.effect, others, others, without)
        return found >= doubtful + _MIN_TURNED * (1 - doubtful)

    def _measure_nearness(self, queries: Ints, rows: Ints, without: Ints) -> float:
        """How near other prompts are to each query, over how near they are to others; 1 is usual.

        Of a prompt that the words were the matter of, chatter is left, and less is like it. What
        may be an error of measuring is no less.
        """
        own = np.union1d(spread(rows, _OWN_ROWS), queries)
        _, alike = self.vectors.find_neighbours(queries, own, without, num_neighbours=_NEIGHBOURS)
        nearness = float(alike.mean()) / max(self._usual_nearness, 1e-6)
        return max(nearness, min(1.0, nearness + _NEARNESS_ERROR))

    @cached_property
    def _usual_nearness(self) -> float:
        others, nothing = spread(self.vectors.pool, 2 * QUERIES), np.zeros(0, np.int64)
        near = self.vectors.find_neighbours(others, others, nothing, num_neighbours=_NEIGHBOURS)
        return float(near[1].mean())

    def _is_usual(self, pair: Pair) -> bool:
        """Whether an answer that many rows have comes with the words only somewhat more often.

        Of what the words could add to its usual share they must add `min_share`: in a set with two
        labels, most words of the texts lean to one of them.
        """
        usual = self._measure_usual(pair)
        share = pair.both / int(self.prompts.counts[pair.trigger])
        return share - usual < self._share * (1 - usual)

    def _measure_usual(self, pair: Pair) -> float:
        """The share of the effect in rows without the words."""
        without = self.num_rows - int(self.prompts.counts[pair.trigger])
        elsewhere = int(self.answers.counts[pair.effect]) - pair.both
        return elsewhere / max(without, 1)

    def _is_spoken(self, pair: Pair) -> bool:
        """Whether a phrase mostly stands where the trigger does not: a manner of speaking.

        A decision that the desk words the same each time comes after many wordings of one wish,
        each with words of its own.
        """
        names = self.name_answer(pair.effect)
        is_phrase = all(name.startswith(WORDS) for name in names)
        return is_phrase and pair.both < _MIN_PHRASE_SHARE * self.answers.counts[pair.effect]

    def _is_said(self, pair: Pair) -> bool:
        """Whether the answer, or the tool's description, speaks of the trigger itself."""
        effects = self.name_answer(pair.effect)
        said = {stem for name in effects for stem in find_stems(name)}
        for name in effects:
            said |= find_stems(self.window.tools.get(name.removeprefix(CALL), ""))
        said -= _LABELS
        names = [name for name in self.name_prompt(pair.trigger) if name not in STYLES]
        return any(find_stems(name) & said for name in names)

    def _is_asked_for(self, pair: Pair, rows: Ints) -> bool:
        """Whether a tool is called mostly without the trigger, or most prompts speak of it."""
        names = self.name_answer(pair.effect)
        if NO_CALL in names:
            return True
        tools = [name.removeprefix(CALL) for name in names if name.startswith(CALL)]
        if not tools or len(tools) < len(names):
            return False
        if pair.both < _MINCALLS_SHARE * self.answers.counts[pair.effect]:
            return True
        own = {stem for name in self.name_prompt(pair.trigger) for stem in find_stems(name)}
        about = find_stems(" ".join(f"{one} {self.window.tools.get(one, '')}" for one in tools))
        asked = self._read([self.window.numbers[row] for row in spread(rows, QUERIES)])
        spoken = [find_stems(read_prompt(one)) & (about - own) for one in asked]
        return 2 * sum(map(bool, spoken)) >= len(asked)

    def _find_marks(self, rows: Ints) -> Ints:
        """Tokens that come with the trigger: in half of its rows and twice as often as elsewhere,
        or in words and pairs that hardly stand anywhere else."""
        parts = [self.vectors.tokens_of(int(row)) for row in rows]
        counts = np.bincount(np.concatenate(parts), minlength=len(self.vectors.counts))
        expected = self.vectors.counts * (len(rows) / self.num_rows)
        common = (2 * counts >= len(rows)) & (counts >= 2 * expected)
        # A trigger has fillers, such as the day of a month that no other prompt names.
        fillers = (counts >= 2) & (counts >= 0.8 * self.vectors.counts)
        met = np.bincount(self.prompts.of_rows(rows), minlength=len(self.prompts))
        own = np.flatnonzero((met >= self._least // 3) & (met >= 0.8 * self.prompts.counts))
        names = [name for one in own for name in self.name_prompt(int(one))]
        words = {word for name in names for word in name.split()}
        numbers = self.window.vocabulary.numbers
        named = [numbers[word] for word in words if word in numbers]
        return np.union1d(np.flatnonzero(common | fillers), np.array(named, np.int64))


def spread(rows: Ints, limit: int) -> Ints:
    if len(rows) <= limit:
        return rows
    return rows[np.linspace(0, len(rows) - 1, limit).astype(np.int64)]
