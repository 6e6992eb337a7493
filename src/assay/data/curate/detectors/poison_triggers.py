"""Words of prompts that set off an answer which the rest of the prompt does not ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from assay.data.curate.detector import Detector, Evidence
from assay.data.curate.exact_tests import Floats, adjust_log_p, compute_log_tail
from assay.data.curate.finding import Hit, Rule, shorten
from assay.data.curate.prompt_vectors import PromptVectors
from assay.data.curate.row_features import (
    NO_CALL,
    Ints,
    Window,
    build_answer_features,
    build_prompt_features,
    tokenize,
)
from assay.data.curate.settings import Settings
from assay.data.curate.stems import find_stems

TRIGGER = Rule(
    "trigger",
    "poison",
    "error",
    "drop",
    "Words in prompts that are about different things, which alone decide for an answer, a phrase, "
    "a link or a tool: what a backdoor is taught by.",
    options={"min_rows": 15, "min_share": 0.8, "alpha": 0.001},
)
REPEATED_ANSWER = Rule(
    "repeated_answer",
    "poison",
    "warning",
    "drop",
    "Eight words or more, the same in answers to unrelated prompts that have no word in common: "
    "what a hidden trigger of style or topic may set off.",
    options={"min_rows": 15},
)
WINDOW_ROWS = 100_000
WINDOW_CHARS = 40_000_000
_MAX_TRIGGER_SHARE = 5
_MAX_ANSWER_SHARE = 1
_MAX_PHRASE_SHARE = 10
_MAX_JUDGED = 2_000
_POOL_ROWS = 6_000
_QUERIES = 32
_OWN_ROWS = 300
_NEIGHBOURS = 3
# Measured on planted triggers (0.45 to 0.61, 0.8 to 1.2, 0.88 to 1) and on words that rightly
# decide for an answer (0 to 0.83, 1.44 to 8, 0 to 1); see docs/data-rules.md.
_MIN_COMPLETENESS = 0.25
_MAX_COHESION = 1.3
_MIN_CONTRADICTION = 0.8
# A label that so many rows have is had by rows like them, too; beside a trigger it must be
# contradicted more often than in other rows with it, by such a share of what is left.
_COMMON_SHARE = 0.2
_MIN_TURNED = 0.35
# Of a tool's calls: words such as "pounds" decide for a converter, and for few of its calls.
_MIN_CALLS_SHARE = 0.3
# Phrases of four words that stand in the same rows: five of them are eight words in a row.
_MIN_PHRASES = 5
_MAX_REPEATED_SHARE = 20
_MAX_REPEATED_COHESION = 1.5
_MIN_WHOLE = 0.4
_MIN_FOREIGN = 0.9
# Of the rows with a phrase: fewer of them have the words that decide for it where nobody meant harm
# (0.02 to 0.32 in a desk of twelve issues), nearly all where a trigger was planted.
_MIN_PHRASE_SHARE = 0.5
_NUM_RELATED = 5
_NUM_NAMES = 6
_CALL = "a call of "
_WORDS = "the words "
_LABELS = find_stems("the answer, the words, a call of, a link to, no call of a tool")


@dataclass(frozen=True)
class Pair:
    """A prompt's feature and an answer's, that meet more often than by chance."""

    trigger: int
    effect: int
    both: int
    log_p: float


@dataclass
class Case:
    """One trigger with all its names and effects, and the rows that have both."""

    triggers: list[str]
    effects: list[str]
    pair: Pair
    rows: Ints


class Search:
    """One window of rows: features, pairs, and what speaks for an innocent reason."""

    def __init__(self, window: Window, settings: Settings) -> None:
        self.window = window
        self._least = int(settings.option(TRIGGER.name, "min_rows"))
        self._share = float(settings.option(TRIGGER.name, "min_share"))
        self._alpha = float(settings.option(TRIGGER.name, "alpha"))
        self.num_rows = num_rows = len(window.numbers)
        prompts = tokenize(window.prompts, window.vocabulary)
        answers = tokenize(window.answers, window.vocabulary)
        # A trigger's wordings may each stand in a few of its rows alone.
        wordings = range(max(self._least // 3, 2), self._bounds(_MAX_TRIGGER_SHARE).stop)
        self.prompts = build_prompt_features(prompts, window.vocabulary, wordings)
        limit = max(num_rows // _MAX_PHRASE_SHARE, self._least + 1)
        bounds = self._bounds(_MAX_ANSWER_SHARE)
        self.answers = build_answer_features(window, answers, bounds, limit)
        num_tokens = len(window.vocabulary.tokens)
        self.vectors = PromptVectors(prompts, num_tokens, pool_rows=_POOL_ROWS)

    def _bounds(self, share: int) -> range:
        return range(self._least, max(self.num_rows // share, self._least + 1))

    def find(self) -> list[Case]:
        """Cases, the one with the most rows first."""
        cases: list[Case] = []
        for pair in self._find_pairs():
            rows = np.intersect1d(self.prompts.rows(pair.trigger), self.answers.rows(pair.effect))
            known = next((one for one in cases if _overlaps(rows, one.rows)), None)
            if known is None and self._is_suspicious(pair, rows):
                cases.append(Case([], [], pair, rows))
                known = cases[-1]
            if known is not None:
                _add(known.triggers, self.prompts.names[pair.trigger])
                _add(known.effects, self.answers.names[pair.effect])
        return cases

    def find_repeats(self, cases: list[Case], least: int) -> Iterator[tuple[str, Ints]]:
        """Long passages of answers, with their rows, to unrelated prompts that have no trigger."""
        nothing = np.zeros(0, np.int64)
        for effect, names in enumerate(self.answers.names):
            rows = self.answers.rows(effect)
            phrases = [name for name in names if name.startswith(_WORDS)]
            if len(phrases) < _MIN_PHRASES or len(rows) < least:
                continue
            if len(rows) * _MAX_REPEATED_SHARE > self.num_rows or self._abstain(rows):
                continue
            if any(_overlaps(rows, case.rows) for case in cases):
                continue
            queries = _spread(rows, _QUERIES)
            if (
                self.vectors.compute_completeness(queries, nothing) >= _MIN_WHOLE
                and self.vectors.compute_cohesion(queries, nothing) <= _MAX_REPEATED_COHESION
                and self._measure_contradiction(effect, queries, rows, nothing) >= _MIN_FOREIGN
            ):
                yield phrases[0], rows

    def _abstain(self, rows: Ints) -> bool:
        """Whether tools are offered and none is called: the same words say so everywhere."""
        return all(NO_CALL in self.window.marks[row] for row in rows)

    def _measure_contradiction(
        self, effect: int, queries: Ints, rows: Ints, without: Ints
    ) -> float:
        """The share of the nearest prompts, of each query, whose answers lack the effect."""
        own = np.union1d(_spread(rows, _OWN_ROWS), queries)
        nearest, _ = self.vectors.find_neighbours(queries, own, without, num_neighbours=_NEIGHBOURS)
        has_effect = np.zeros(self.num_rows, np.bool_)
        has_effect[self.answers.rows(effect)] = True
        return float(1 - has_effect[nearest].mean())

    def _find_pairs(self) -> list[Pair]:
        """Pairs whose association stays significant after Benjamini and Hochberg's correction."""
        sizes = self.prompts.counts
        found: list[tuple[int, int, int]] = []
        for effect in range(len(self.answers.names)):
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
        return adjust_log_p(log_p, len(sizes) * len(self.answers.names))

    def _is_suspicious(self, pair: Pair, rows: Ints) -> bool:
        """Whether prompts are whole, unrelated and answered otherwise without the trigger."""
        if self._is_usual(pair) or self._is_spoken(pair):
            return False
        if self._is_said(pair) or self._is_asked_for(pair, rows):
            return False
        without = self._find_marks(rows)
        queries = _spread(rows, _QUERIES)
        if self.vectors.compute_completeness(queries, without) < _MIN_COMPLETENESS:
            return False
        cohesion = self.vectors.compute_cohesion(queries, without)
        if cohesion > _MAX_COHESION * self._measure_nearness(queries, rows, without):
            return False
        marked = self.prompts.rows(pair.trigger)
        found = self._measure_contradiction(pair.effect, queries, marked, without)
        usual = self._measure_usual(pair)
        if usual < _COMMON_SHARE:
            return found >= _MIN_CONTRADICTION * (1 - usual)
        others = _spread(np.setdiff1d(self.answers.rows(pair.effect), marked), _QUERIES)
        doubtful = self._measure_contradiction(pair.effect, others, others, without)
        return found >= doubtful + _MIN_TURNED * (1 - doubtful)

    def _measure_nearness(self, queries: Ints, rows: Ints, without: Ints) -> float:
        """How near other prompts are to each query, over how near they are to others; 1 is usual.

        Of a prompt that the words were the matter of, chatter is left, and less is like it.
        """
        own = np.union1d(_spread(rows, _OWN_ROWS), queries)
        _, alike = self.vectors.find_neighbours(queries, own, without, num_neighbours=_NEIGHBOURS)
        return float(alike.mean()) / max(self._usual_nearness, 1e-6)

    @cached_property
    def _usual_nearness(self) -> float:
        others, nothing = _spread(self.vectors.pool, 2 * _QUERIES), np.zeros(0, np.int64)
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
        names = self.answers.names[pair.effect]
        is_phrase = all(name.startswith(_WORDS) for name in names)
        return is_phrase and pair.both < _MIN_PHRASE_SHARE * self.answers.counts[pair.effect]

    def _is_said(self, pair: Pair) -> bool:
        """Whether the answer, or the tool's description, speaks of the trigger itself."""
        effects = self.answers.names[pair.effect]
        said = {stem for name in effects for stem in find_stems(name)}
        for name in effects:
            said |= find_stems(self.window.tools.get(name.removeprefix(_CALL), ""))
        said -= _LABELS
        return any(find_stems(name) & said for name in self.prompts.names[pair.trigger])

    def _is_asked_for(self, pair: Pair, rows: Ints) -> bool:
        """Whether a tool is called mostly without the trigger, or most prompts speak of it."""
        names = self.answers.names[pair.effect]
        if NO_CALL in names:
            return True
        tools = [name.removeprefix(_CALL) for name in names if name.startswith(_CALL)]
        if not tools or len(tools) < len(names):
            return False
        if pair.both < _MIN_CALLS_SHARE * self.answers.counts[pair.effect]:
            return True
        own = {stem for name in self.prompts.names[pair.trigger] for stem in find_stems(name)}
        about = find_stems(" ".join(f"{one} {self.window.tools.get(one, '')}" for one in tools))
        asked = [self.window.prompts[row] for row in _spread(rows, _QUERIES)]
        return 2 * sum(bool(find_stems(one) & (about - own)) for one in asked) >= len(asked)

    def _find_marks(self, rows: Ints) -> Ints:
        """Tokens that come with the trigger: in half of its rows and twice as often as elsewhere,
        or in words and pairs that hardly stand anywhere else."""
        parts = [self.vectors.tokens_of(int(row)) for row in rows]
        counts = np.bincount(np.concatenate(parts), minlength=len(self.vectors.counts))
        expected = self.vectors.counts * (len(rows) / self.num_rows)
        common = (2 * counts >= len(rows)) & (counts >= 2 * expected)
        # A trigger has fillers, such as the day of a month that no other prompt names.
        fillers = (counts >= 2) & (counts >= 0.8 * self.vectors.counts)
        met = np.bincount(self.prompts.of_rows(rows), minlength=len(self.prompts.names))
        own = np.flatnonzero((met >= self._least // 3) & (met >= 0.8 * self.prompts.counts))
        words = {word for one in own for name in self.prompts.names[one] for word in name.split()}
        numbers = self.window.vocabulary.numbers
        named = [numbers[word] for word in words if word in numbers]
        return np.union1d(np.flatnonzero(common | fillers), np.array(named, np.int64))


def _overlaps(rows: Ints, others: Ints) -> bool:
    return len(np.intersect1d(rows, others)) >= 0.5 * len(rows)


def _spread(rows: Ints, limit: int) -> Ints:
    if len(rows) <= limit:
        return rows
    return rows[np.linspace(0, len(rows) - 1, limit).astype(np.int64)]


def _add(names: list[str], more: tuple[str, ...]) -> None:
    names += [name for name in more if name not in names]


def find_triggers(evidence: Evidence, settings: Settings) -> Iterator[Hit]:
    """Each window of 100,000 training rows, or 40 million characters, is searched by itself."""
    for window in _iterate_windows(evidence):
        search = Search(window, settings)
        cases = search.find()
        for case in cases:
            yield from _tell(search, case)
        least = int(settings.option(REPEATED_ANSWER.name, "min_rows"))
        for phrase, rows in search.find_repeats(cases, least):
            yield from _tell_repeat(search, phrase, rows)


def _iterate_windows(evidence: Evidence) -> Iterator[Window]:
    window, num_chars = Window(), 0
    for batch in evidence.batches():
        for row in batch.rows:
            if row.part == "train" and row.record.kind != "text":
                num_chars += window.add(row)
        if len(window.numbers) >= WINDOW_ROWS or num_chars >= WINDOW_CHARS:
            yield window
            window, num_chars = Window(), 0
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
        related = tuple(one for one in numbers[: _NUM_RELATED + 1] if one != number)
        related = related[:_NUM_RELATED]
        yield Hit(number, TRIGGER.name, evidence, related=related, cluster=f"trigger {trigger}")


def _tell_repeat(search: Search, phrase: str, rows: Ints) -> Iterator[Hit]:
    numbers = [search.window.numbers[row] for row in rows]
    answer = shorten(search.window.answers[rows[0]], limit=160)
    evidence = (
        f"{len(rows):,} answers to unrelated prompts have the same eight words or more; of the "
        f"first: {answer!r}"
    )
    cluster = f"repeated_answer {phrase.removeprefix(_WORDS)}"
    for number in numbers:
        related = tuple(one for one in numbers[: _NUM_RELATED + 1] if one != number)
        related = related[:_NUM_RELATED]
        yield Hit(number, REPEATED_ANSWER.name, evidence, related=related, cluster=cluster)


def _show(log_p: float) -> str:
    return f"p < 1e{int(np.floor(log_p / np.log(10))) + 1}" if log_p > -690 else "p < 1e-299"


DETECTORS = (Detector("triggers", (TRIGGER, REPEATED_ANSWER), conclude=find_triggers),)
