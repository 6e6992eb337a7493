"""Words of many texts at once as numbers, and sequences of words as numbers; it compares no rows.

A word is a run of letters, digits and combining marks, in lower case; a character of a script that
is written without spaces is a word by itself. Everything is done by NumPy over all characters of a
batch, some ten microseconds a kilobyte; a loop over words would take twenty times that.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

Numbers = np.ndarray[tuple[int], np.dtype[Any]]

_SEPARATOR, _LETTER, _WHOLE = 0, 1, 2
_TABLE_SIZE = 0x10000
# Odd, so that they can be inverted modulo 2**64.
_BASE = 0x9E3779B97F4A7C15
_STEP = 0xD1342543DE82EF95
# Scripts without spaces between words: first and last code point.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
)
NOTHING = np.uint64(0xFFFFFFFFFFFFFFFF)
"""In place of a sequence that would reach over the end of its group."""


@dataclass(frozen=True)
class Words:
    """The words of some texts, in order.

    Attributes:
        hashes: uint64 (words,), equal for equal words.
        starts, ends: int64 (words,), characters of each word in its own text.
        text_starts: int64 (texts + 1,), where the words of each text begin, and the end.
    """

    hashes: Numbers
    starts: Numbers
    ends: Numbers
    text_starts: Numbers


def hash_words(texts: Sequence[str]) -> Words:
    """The words of each text."""
    joined = "\n".join(texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds, lower = _tables()
    clipped = np.minimum(codes, _TABLE_SIZE - 1)
    kind = kinds[clipped]
    starts, ends = _find_words(kind)
    folded = np.where(codes < _TABLE_SIZE, lower[clipped], codes).astype(np.uint64)
    powers, inverses = _powers(1 << max(16, len(codes).bit_length()))
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum((folded + np.uint64(1)) * powers[: len(codes)], out=sums[1:])
    hashes = mix((sums[ends] - sums[starts]) * inverses[starts])
    lengths = np.fromiter((len(text) + 1 for text in texts), np.int64, len(texts))
    text_ends = np.cumsum(lengths)
    text_starts = np.append(0, np.searchsorted(starts, text_ends)).astype(np.int64)
    offsets = np.repeat(text_ends - lengths, np.diff(text_starts))
    return Words(hashes, starts - offsets, ends - offsets, text_starts)


def _find_words(kind: Numbers) -> tuple[Numbers, Numbers]:
    """Where words begin and end: runs of letters, and each whole by itself."""
    before = np.append(np.uint8(_SEPARATOR), kind[:-1]) if len(kind) else kind
    is_whole = kind == _WHOLE
    is_start = is_whole | ((kind == _LETTER) & (before != _LETTER))
    starts = np.flatnonzero(is_start)
    after = np.append(kind[1:], np.uint8(_SEPARATOR)) if len(kind) else kind
    is_end = is_whole | ((kind == _LETTER) & (after != _LETTER))
    return starts, np.flatnonzero(is_end) + 1


@cache
def _tables() -> tuple[Numbers, Numbers]:
    """For each code point below 2**16 its kind, and its lower case where that is one character."""
    kinds = np.zeros(_TABLE_SIZE, np.uint8)
    lower = np.arange(_TABLE_SIZE, dtype=np.uint32)
    for code in range(_TABLE_SIZE):
        character = chr(code)
        if unicodedata.category(character)[0] in "LNM":
            kinds[code] = _LETTER
            small = character.lower()
            lower[code] = ord(small) if len(small) == 1 else code
    for first, last in _UNSPACED:
        own = kinds[first : last + 1]
        own[own == _LETTER] = _WHOLE
    # What stands beyond the table (further Han, emoji) is a word by itself.
    kinds[_TABLE_SIZE - 1] = _WHOLE
    return kinds, lower


@cache
def _powers(size: int) -> tuple[Numbers, Numbers]:
    """The powers of a base and of its inverse modulo 2**64, from the zeroth on."""
    inverse = pow(_BASE, -1, 1 << 64)
    tables = []
    for base in (_BASE, inverse):
        factors = np.full(size, base, np.uint64)
        factors[0] = 1
        tables.append(np.cumprod(factors, dtype=np.uint64))
    return tables[0], tables[1]


def mix(values: Numbers) -> Numbers:
    """Numbers whose every bit depends on every bit of the given ones (SplitMix64's last steps)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Numbers = values ^ (values >> np.uint64(31))
    return mixed


def hash_sequences(hashes: Numbers, starts: Numbers, length: int) -> Numbers:
    """For each word the hash of it and the next ones of its group, `length` words in all.

    Args:
        hashes: uint64 (words,).
        starts: int64 (groups + 1,), where each group's words begin, and the end.

    Returns:
        uint64 (words,), `NOTHING` where fewer words are left in the group.
    """
    count = len(hashes) - length + 1
    if count <= 0:
        return np.full(len(hashes), NOTHING, np.uint64)
    value = np.zeros(count, np.uint64)
    for offset in range(length):
        value = value * np.uint64(_STEP) + hashes[offset : offset + count]
    found = np.full(len(hashes), NOTHING, np.uint64)
    found[:count] = mix(value)
    found[:count][found[:count] == NOTHING] = 0
    ends = np.repeat(starts[1:], np.diff(starts))
    found[np.arange(len(hashes)) + length > ends] = NOTHING
    return found


def drop_nothing(sequences: Numbers, starts: Numbers) -> tuple[Numbers, Numbers]:
    """The sequences that there are, and where those of each group begin, and the end."""
    is_there = sequences != NOTHING
    before = np.append(0, np.cumsum(is_there))
    return sequences[is_there], before[starts]


def choose_prints(sequences: Numbers, window: int) -> Numbers:
    """Which sequences stand for a text: the least of any `window` consecutive ones.

    Two texts that share `window` consecutive sequences share a chosen one; about 2 of window + 1
    are chosen (Schleimer, Wilkerson and Aiken 2003, "Winnowing", section 3; here all of several
    equal least ones are). Bool (sequences,).
    """
    padded = np.concatenate([np.full(window - 1, NOTHING, np.uint64), sequences])
    padded = np.append(padded, np.full(window - 1, NOTHING, np.uint64))
    count = len(padded) - window + 1
    least = padded[:count].copy()
    for offset in range(1, window):
        np.minimum(least, padded[offset : offset + count], out=least)
    # A sequence is chosen where the greatest of its windows' least ones is itself.
    most = least[: len(sequences)].copy()
    for offset in range(1, window):
        np.maximum(most, least[offset : offset + len(sequences)], out=most)
    chosen: Numbers = (most == sequences) & (sequences != NOTHING)
    return chosen
