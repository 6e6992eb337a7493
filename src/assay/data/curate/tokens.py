"""Texts as numbers of words and runs of punctuation, batch by batch; it compares no rows."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.data.curate.case_styles import fold_styles

Ints = np.ndarray[Any, np.dtype[Any]]
_SPACED = r"([^\pL\pN_\s]+)"
_CHUNK_TOKENS = 1 << 18
_CHUNK_ROWS = 1 << 12


class Vocabulary:
    """Tokens as numbers, in order of first sight."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.tokens: list[str] = []

    def encode(self, tokens: Sequence[str]) -> Ints:
        """Numbers of tokens as they are written, int32."""
        numbers = self.numbers
        encoded = np.empty(len(tokens), np.int32)
        for index, token in enumerate(tokens):
            number = numbers.get(token)
            if number is None:
                number = numbers[token] = len(self.tokens)
                self.tokens.append(token)
            encoded[index] = number
        return encoded


@dataclass(frozen=True)
class Tokens:
    """Token numbers of rows, end to end.

    Attributes:
        ids: int32 (tokens,).
        starts: int64 (rows + 1,); row i is ``ids[starts[i]:starts[i + 1]]``.
    """

    ids: Ints
    starts: Ints

    def of_row(self, row: int) -> Ints:
        """The tokens of a row in order."""
        return self.ids[self.starts[row] : self.starts[row + 1]]

    def chunks(self) -> Iterator[tuple[int, Ints, Ints]]:
        """Some rows at a time: the first, their tokens, and the row of each, from 0 on.

        At most 4,096 rows, and 262,144 tokens where a row has no more.
        """
        first, num_rows = 0, len(self.starts) - 1
        while first < num_rows:
            limit = np.searchsorted(self.starts, self.starts[first] + _CHUNK_TOKENS, "right") - 1
            end = int(min(max(limit, first + 1), first + _CHUNK_ROWS, num_rows))
            lengths = np.diff(self.starts[first : end + 1])
            rows = np.repeat(np.arange(end - first, dtype=np.int32), lengths)
            yield first, self.ids[self.starts[first] : self.starts[end]], rows
            first = end


class TokenList:
    """Tokens that grow row by row."""

    def __init__(self) -> None:
        self._ids = array("i")
        self._starts = array("q", [0])

    def add(self, ids: Ints, lengths: Ints) -> None:
        """Append rows of so many tokens each."""
        self._ids.frombytes(np.ascontiguousarray(ids, np.int32).tobytes())
        ends = np.cumsum(lengths, dtype=np.int64) + self._starts[-1]
        self._starts.frombytes(ends.tobytes())

    def view(self) -> Tokens:
        """All rows so far, not copied; none can be added while the view is in use."""
        return Tokens(np.frombuffer(self._ids, np.int32), np.frombuffer(self._starts, np.int64))


def tokenize(
    texts: Sequence[str], vocabulary: Vocabulary, *, styled: Sequence[bool] = ()
) -> tuple[Ints, Ints]:
    """Words and runs of punctuation, by Arrow's RE2 over all texts at once.

    A word counts in lower case, unless it is all capitals where the text is not.

    Args:
        styled: texts that get a token for how they use capitals, where that is remarkable.

    Returns:
        Token numbers end to end, int32, and how many each text has, int64.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    array_ = pa.array(texts, pa.large_string())
    spaced = pc.replace_substring_regex(array_, pattern=_SPACED, replacement=r" \1 ")
    split = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(spaced))
    coded = split.values.dictionary_encode()
    written = coded.dictionary.to_pylist()
    starts = np.asarray(split.offsets, np.int64)
    flat = coded.indices.to_numpy(zero_copy_only=False)[: starts[-1]]
    if "" in written:  # an empty text is split into one
        kept = flat != written.index("")
        starts = np.concatenate([[0], np.cumsum(kept)])[starts]
        flat = flat[kept]
    lengths = np.diff(starts)
    if not len(flat):
        return np.zeros(0, np.int32), lengths
    usual = vocabulary.encode(
        [one if one.isupper() and len(one) > 1 else one.lower() for one in written]
    )
    return fold_styles(flat, lengths, written, usual, vocabulary.encode, styled)
