"""What prompts and answers of a window of rows say, as sparse features; it judges nothing.

A prompt's features are its words and pairs of neighbouring words; an answer's are its whole text,
its first and last words, phrases of four words, the tools that it calls and the hosts that it
links to. Features of the same rows are one feature with several names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assay.data.curate.batch import CheckedRow
from assay.data.curate.prompts import read_prompt
from assay.tools.destinations import find_destinations

Ints = np.ndarray[Any, np.dtype[np.int64]]
NO_CALL = "no call of a tool"
_SPACED = r"([^\pL\pN_\s]+)"
_PHRASE = 4
_MAX_ANSWER_CHARS = 400
_BUCKET_BITS = 22
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Vocabulary:
    """Tokens as numbers, in order of first sight."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.tokens: list[str] = []

    def encode(self, tokens: Sequence[str]) -> Ints:
        """Numbers of tokens; a word counts in lower case, unless it is all capitals."""
        numbers = self.numbers
        encoded = np.empty(len(tokens), np.int64)
        for index, token in enumerate(tokens):
            known = token if token.isupper() and len(token) > 1 else token.lower()
            number = numbers.get(known)
            if number is None:
                number = numbers[known] = len(self.tokens)
                self.tokens.append(known)
            encoded[index] = number
        return encoded


@dataclass(frozen=True)
class Tokens:
    """Token numbers of texts, end to end; text i is ``ids[starts[i]:starts[i + 1]]``."""

    ids: Ints
    starts: Ints

    @property
    def rows(self) -> Ints:
        """The text of each token."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


def tokenize(texts: Sequence[str], vocabulary: Vocabulary) -> Tokens:
    """Words and runs of punctuation, by Arrow's RE2 over all texts at once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = pa.array(texts, pa.large_string())
    spaced = pc.replace_substring_regex(array, pattern=_SPACED, replacement=r" \1 ")
    split = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(spaced))
    coded = split.values.dictionary_encode()
    numbers = vocabulary.encode(coded.dictionary.to_pylist())
    starts = np.asarray(split.offsets, np.int64)
    flat = coded.indices.to_numpy(zero_copy_only=False)[: starts[-1]]
    ids = numbers[flat] if len(numbers) else np.zeros(0, np.int64)
    return drop_empty(Tokens(ids, starts), vocabulary)


def drop_empty(tokens: Tokens, vocabulary: Vocabulary) -> Tokens:
    """Without the empty token that an empty text is split into."""
    empty = vocabulary.numbers.get("")
    if empty is None:
        return tokens
    kept = tokens.ids != empty
    counts = np.bincount(tokens.rows[kept], minlength=len(tokens.starts) - 1)
    return Tokens(tokens.ids[kept], np.concatenate([[0], np.cumsum(counts)]))


@dataclass(frozen=True)
class Features:
    """Binary features of rows, by feature and by row.

    Attributes:
        names: of each feature, a text or several of equal rows.
        counts: rows that have it.
    """

    names: list[tuple[str, ...]]
    row_of: Ints
    starts: Ints
    feature_of: Ints
    row_starts: Ints

    @property
    def counts(self) -> Ints:
        return np.diff(self.starts)

    def rows(self, feature: int) -> Ints:
        """Rows that have a feature, ascending."""
        return self.row_of[self.starts[feature] : self.starts[feature + 1]]

    def of_rows(self, rows: Ints) -> Ints:
        """The features of several rows, end to end."""
        parts = [self.feature_of[self.row_starts[one] : self.row_starts[one + 1]] for one in rows]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)


@dataclass
class Window:
    """Rows in order with what was read of them."""

    numbers: list[int] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    marks: list[list[str]] = field(default_factory=list)
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    tools: dict[str, str] = field(default_factory=dict)

    def add(self, row: CheckedRow) -> int:
        """Take in a row; returns the characters of its prompt and its answers."""
        said = [one for one in row.record.messages if one["role"] == "assistant"]
        prompt = read_prompt(row)
        answer = "\n".join(one["content"] for one in said if one.get("content"))
        self.numbers.append(row.number)
        self.prompts.append(prompt)
        self.answers.append(answer)
        self.marks.append(list(_read_marks(row, said, prompt, answer)))
        for tool in row.record.tools or ():
            function = tool["function"]
            self.tools.setdefault(function["name"], str(function.get("description", "")))
        return len(prompt) + len(answer)


def _read_marks(row: CheckedRow, said: Sequence[Any], prompt: str, answer: str) -> Iterator[str]:
    called = [call["function"]["name"] for one in said for call in one.get("tool_calls", ())]
    yield from (f"a call of {name}" for name in sorted(set(called)))
    if row.record.tools and not called:
        yield NO_CALL
    if "." in answer:
        hosts = {one.text for one in find_destinations(answer) if one.kind in ("host", "address")}
        yield from (f"a link to {host}" for host in sorted(hosts) if host not in prompt.lower())
    last = " ".join(str(said[-1].get("content") or "").split()) if said else ""
    if last and len(last) <= _MAX_ANSWER_CHARS:
        yield f"the answer {last!r}"


def build_prompt_features(tokens: Tokens, vocabulary: Vocabulary, bounds: range) -> Features:
    """Words and pairs of neighbouring words, in `bounds.start` rows to below `bounds.stop`."""
    ids, rows = tokens.ids, tokens.rows
    same = rows[1:] == rows[:-1]
    size = np.int64(len(vocabulary.tokens) + 1)
    pairs = ((ids[:-1] + 1) * size + ids[1:])[same]
    codes = np.concatenate([ids, pairs])
    places = np.concatenate([rows, rows[:-1][same]])

    def name(code: int) -> str:
        first, second = divmod(code, int(size))
        words = ([vocabulary.tokens[first - 1]] if first else []) + [vocabulary.tokens[second]]
        return " ".join(words)

    return _collect(codes, places, len(tokens.starts) - 1, name, bounds)


def build_answer_features(
    window: Window, tokens: Tokens, bounds: range, phrase_limit: int
) -> Features:
    """Marks, and phrases of four words with nothing between them, in rows within `bounds`.

    Phrases of `phrase_limit` rows or more are how the data speak, and left out.
    """
    vocabulary = window.vocabulary
    ids, rows = tokens.ids, tokens.rows
    is_word = np.array([one.isalpha() for one in vocabulary.tokens], np.int64)
    count = max(len(ids) - _PHRASE + 1, 0)
    spans = [slice(offset, offset + count) for offset in range(_PHRASE)]
    within = rows[spans[0]] == rows[spans[-1]]
    words = sum((is_word[ids[span]] for span in spans), np.zeros(count, np.int64))
    wanted = np.flatnonzero(within & (words == _PHRASE))
    codes = np.zeros(len(wanted), np.uint64)
    for span in spans:
        codes = (codes + ids[span][wanted].astype(np.uint64) + np.uint64(1)) * _MIX
        codes ^= codes >> np.uint64(29)
    shown = (codes >> np.uint64(1)).astype(np.int64)
    marks: dict[str, int] = {}
    marked = [(marks.setdefault(mark, -1 - len(marks)), row)
              for row, own in enumerate(window.marks) for mark in own]  # fmt: skip
    listed = list(marks)
    keep = _frequent(shown, rows[wanted], bounds.start, phrase_limit)
    distinct, firsts = np.unique(shown[keep], return_index=True)
    first_at = dict(zip(distinct.tolist(), wanted[keep][firsts].tolist(), strict=True))
    codes_all = np.concatenate([shown[keep], np.array([one[0] for one in marked], np.int64)])
    rows_all = np.concatenate([rows[wanted][keep], np.array([one[1] for one in marked], np.int64)])

    def name(code: int) -> str:
        if code < 0:
            return listed[-1 - code]
        at = first_at[code]
        said = " ".join(vocabulary.tokens[one] for one in ids[at : at + _PHRASE])
        return f"the words {said!r}"

    return _collect(codes_all, rows_all, len(tokens.starts) - 1, name, bounds)


def _frequent(codes: Ints, rows: Ints, least: int, limit: int) -> Any:
    """Which entries' codes stand in at least `least` rows and in fewer than `limit`."""
    if not len(codes):
        return np.zeros(0, np.bool_)
    _, inverse = np.unique(codes, return_inverse=True)
    pairs = np.unique(inverse * np.int64(rows.max() + 1) + rows)
    counts = np.bincount(pairs // np.int64(rows.max() + 1))
    return (counts[inverse] >= least) & (counts[inverse] < limit)


def _collect(codes: Ints, rows: Ints, num_rows: int, name: Any, bounds: range) -> Features:
    # In place where it can be: a window of long rows has tens of millions of codes.
    mixed = codes.astype(np.uint64)
    mixed *= _MIX
    mixed >>= np.uint64(64 - _BUCKET_BITS)
    buckets = mixed.view(np.int64)
    is_often = np.bincount(buckets, minlength=1 << _BUCKET_BITS) >= bounds.start
    kept = is_often[buckets]
    del mixed, buckets
    codes, rows = codes[kept], rows[kept]
    known, inverse = np.unique(codes, return_inverse=True)
    del codes
    inverse *= num_rows
    inverse += rows
    del rows
    pairs = np.unique(inverse)
    del inverse
    feature, row = np.divmod(pairs, num_rows) if len(pairs) else (pairs, pairs)
    counts = np.bincount(feature, minlength=len(known))
    wanted = (counts >= bounds.start) & (counts < bounds.stop)
    groups = _group(feature, row, counts, wanted, num_rows)
    names: list[list[str]] = [[] for _ in range(int(groups.max(initial=-1)) + 1)]
    for one in np.flatnonzero(wanted):
        names[groups[one]].append(name(int(known[one])))
    first = np.zeros(len(known), np.bool_)
    first[np.flatnonzero(wanted)[np.unique(groups[wanted], return_index=True)[1]]] = True
    chosen = first[feature]
    feature, row = groups[feature[chosen]], row[chosen]
    order = np.lexsort((row, feature))
    feature, row = feature[order], row[order]
    by_row = np.lexsort((feature, row))
    starts = np.concatenate([[0], np.cumsum(np.bincount(feature, minlength=len(names)))])
    row_starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=num_rows))])
    tupled = [tuple(sorted(one, key=_rank)[:8]) for one in names]
    return Features(tupled, row, starts, feature[by_row], row_starts)


def _rank(name: str) -> tuple[int, int, str]:
    """Single words before pairs, long ones first."""
    return name.count(" "), -len(name), name


def _group(feature: Ints, row: Ints, counts: Ints, wanted: Any, num_rows: int) -> Ints:
    """Equal numbers for features of equal rows, by the sum of a random number of each row."""
    generator = np.random.default_rng(0)
    salts = generator.integers(0, 1 << 62, num_rows, dtype=np.uint64)
    sums = np.zeros(len(counts), np.uint64)
    np.add.at(sums, feature, salts[row])
    groups = np.full(len(counts), -1, np.int64)
    if wanted.any():
        _, groups[wanted] = np.unique(sums[wanted], return_inverse=True)
    return groups
