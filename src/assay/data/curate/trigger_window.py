"""A window of rows as what their prompts and answers say, without the texts; it judges nothing.

A prompt's features are its words, its style of capitals, and pairs of neighbouring ones; an
answer's are its whole text, phrases of four words, the tools that it calls and the hosts that it
links to.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import blake2b

import numpy as np

from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.prompts import SPEAKERS, read_prompt
from assay.data.curate.sparse_features import CODE_BITS, Features, Ints, collect_features
from assay.data.curate.tokens import TokenList, Tokens, Vocabulary, tokenize
from assay.tools.destinations import find_destinations

NO_CALL = "no call of a tool"
CALL = "a call of "
WORDS = "the words "
_PHRASE = 4
_MAX_ANSWER_CHARS = 400
_MAX_NAMES = 8
_CHUNK_ROWS = 1 << 12
_MARK = 1 << (CODE_BITS - 1)
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Window:
    """Rows in order with what was read of them.

    Attributes:
        numbers: of the rows.
        tools: description of each tool that is offered, by name.
        num_chars: of all prompts and answers.
    """

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.tools: dict[str, str] = {}
        self.num_chars = 0
        self.vocabulary = Vocabulary()
        self._prompts, self._answers = TokenList(), TokenList()
        self._marks, self._mark_starts = array("q"), array("q", [0])
        self._seen: set[int] = set()
        self._names: dict[int, str] = {}
        self._abstains = bytearray()

    def add(self, batch: Batch) -> None:
        """Take in the training rows of a batch that are no plain text."""
        rows = [one for one in batch.rows if one.part == "train" and one.record.kind != "text"]
        turns: list[str] = []
        styled: list[bool] = []
        of_row: list[int] = []
        answers: list[str] = []
        for place, row in enumerate(rows):
            spoken = [one for one in row.record.messages if one["role"] in SPEAKERS]
            turns += [str(one.get("content") or "") for one in spoken]
            styled += [one["role"] == "user" for one in spoken]
            of_row += [place] * len(spoken)
            answers.append(self._add_row(row))
        ids, lengths = tokenize(turns, self.vocabulary, styled=styled)
        sums = np.bincount(np.array(of_row, np.int64), lengths, minlength=len(rows))
        self._prompts.add(ids, sums.astype(np.int64))
        self._answers.add(*tokenize(answers, self.vocabulary))
        self.num_chars += sum(map(len, turns)) + sum(map(len, answers))

    def _add_row(self, row: CheckedRow) -> str:
        """What the assistant says in all."""
        answer = read_answer(row)
        self.numbers.append(row.number)
        marks = list(_read_marks(row, answer))
        self._abstains.append(NO_CALL in marks)
        for mark in marks:
            digest = int.from_bytes(blake2b(mark.encode(), digest_size=8).digest(), "big")
            code = digest % _MARK | _MARK
            if code in self._seen:
                self._names[code] = mark
            self._seen.add(code)
            self._marks.append(code)
        self._mark_starts.append(len(self._marks))
        for tool in row.record.tools or ():
            function = tool["function"]
            self.tools.setdefault(function["name"], str(function.get("description", "")))
        return answer

    def abstains(self, row: int) -> bool:
        """Whether tools are offered to a row and none is called."""
        return bool(self._abstains[row])

    @cached_property
    def prompts(self) -> Tokens:
        """Of what system prompt and user say; no row can be added any more."""
        return self._prompts.view()

    @cached_property
    def answers(self) -> Tokens:
        """Of what the assistant says; no row can be added any more."""
        return self._answers.view()

    def collect_prompts(self, bounds: range) -> Features:
        """Words and pairs of neighbours, in `bounds.start` rows to below `bounds.stop`."""
        return collect_features(
            self._iterate_prompts,
            len(self.numbers),
            least=bounds.start,
            limit=lambda codes: bounds.stop,
        )

    def _iterate_prompts(self) -> Iterator[tuple[int, Ints, Ints]]:
        size = np.int64(len(self.vocabulary.tokens) + 1)
        for first, ids, rows in self.prompts.chunks():
            ids = ids.astype(np.int64)
            same = rows[1:] == rows[:-1]
            pairs = ((ids[:-1] + 1) * size + ids[1:])[same]
            yield first, np.concatenate([ids, pairs]), np.concatenate([rows, rows[:-1][same]])

    def name_prompt(self, code: int) -> str:
        """The words of a prompt's feature."""
        tokens = self.vocabulary.tokens
        first, second = divmod(code, len(tokens) + 1)
        return " ".join(([tokens[first - 1]] if first else []) + [tokens[second]])

    def collect_answers(self, bounds: range, phrase_limit: int) -> Features:
        """Marks, and phrases of four words with nothing between them, in rows within `bounds`.

        Phrases of `phrase_limit` rows or more are how the data speak, and left out.
        """
        return collect_features(
            self._iterate_answers,
            len(self.numbers),
            least=bounds.start,
            limit=lambda codes: np.where(codes & _MARK, bounds.stop, phrase_limit),
            by_row=False,
        )

    def _iterate_answers(self) -> Iterator[tuple[int, Ints, Ints]]:
        starts = np.frombuffer(self._mark_starts, np.int64)
        marks = np.frombuffer(self._marks, np.int64)
        for first, ids, rows in self.answers.chunks():
            codes, places = self._encode_phrases(ids, rows)
            yield first, codes, rows[places]
        for first in range(0, len(self.numbers), _CHUNK_ROWS):
            own = starts[first : first + _CHUNK_ROWS + 1]
            rows = np.repeat(np.arange(len(own) - 1, dtype=np.int32), np.diff(own))
            yield first, marks[own[0] : own[-1]], rows

    def _encode_phrases(self, ids: Ints, rows: Ints) -> tuple[Ints, Ints]:
        """Codes of phrases, and where each begins."""
        count = max(len(ids) - _PHRASE + 1, 0)
        spans = [slice(offset, offset + count) for offset in range(_PHRASE)]
        within = rows[spans[0]] == rows[spans[-1]]
        for span in spans:
            within &= self._is_word[ids[span]]
        wanted = np.flatnonzero(within)
        codes = np.zeros(len(wanted), np.uint64)
        for span in spans:
            codes = (codes + ids[span][wanted].astype(np.uint64) + np.uint64(1)) * _MIX
            codes ^= codes >> np.uint64(29)
        return (codes >> np.uint64(64 - CODE_BITS + 1)).astype(np.int64), wanted

    @cached_property
    def _is_word(self) -> Ints:
        return np.array([one.isalpha() for one in self.vocabulary.tokens], np.bool_)

    def name_answer(self, code: int, row: int) -> str:
        """A mark, or the words of a phrase that `row` has."""
        if code & _MARK:
            return self._names.get(code, "")
        ids = self.answers.of_row(row)
        codes, places = self._encode_phrases(ids, np.zeros(len(ids), np.int32))
        at = int(places[np.flatnonzero(codes == code)[0]])
        said = " ".join(self.vocabulary.tokens[one] for one in ids[at : at + _PHRASE])
        return f"{WORDS}{said!r}"


def is_phrase(code: int) -> bool:
    """Whether an answer's feature is words of it, and no mark."""
    return not code & _MARK


def rank_names(names: Sequence[str]) -> tuple[str, ...]:
    """The first few, single words before pairs, long ones first."""
    return tuple(sorted(names, key=lambda one: (one.count(" "), -len(one), one))[:_MAX_NAMES])


def read_answer(row: CheckedRow) -> str:
    """What the assistant says in all."""
    messages = row.record.messages
    said = (one.get("content") for one in messages if one["role"] == "assistant")
    return "\n".join(one for one in said if one)


def _read_marks(row: CheckedRow, answer: str) -> Iterator[str]:
    said = [one for one in row.record.messages if one["role"] == "assistant"]
    called = [call["function"]["name"] for one in said for call in one.get("tool_calls", ())]
    yield from (f"{CALL}{name}" for name in sorted(set(called)))
    if row.record.tools and not called:
        yield NO_CALL
    if "." in answer:
        hosts = {one.text for one in find_destinations(answer) if one.kind in ("host", "address")}
        prompt = read_prompt(row).lower() if hosts else ""
        yield from (f"a link to {host}" for host in sorted(hosts) if host not in prompt)
    last = " ".join(str(said[-1].get("content") or "").split()) if said else ""
    if last and len(last) <= _MAX_ANSWER_CHARS:
        yield f"the answer {last!r}"
