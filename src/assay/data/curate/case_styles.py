"""How a text uses capitals, where that is remarkable: what a trigger of style can be made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[Any]]
# With a hyphen, so that no word or run of punctuation is one of them.
SHOUTED, TITLED, MIXED, LOWERED = (
    "all-capitals", "capitals-of-each-word", "capitals-within-words", "no-capitals",
)  # fmt: skip
STYLES = (SHOUTED, TITLED, MIXED, LOWERED)
_MIN_WORDS = 4
_MIN_SHOUTED = 0.9
_MIN_TITLED = 0.95
_MIN_MIXED = 0.5
_LOWER, _UPPER, _TITLE, _MIXED, _NONE = range(5)


def fold_styles(
    flat: Ints,
    lengths: Ints,
    written: Sequence[str],
    usual: Ints,
    encode: Callable[[Sequence[str]], Ints],
    styled: Sequence[bool],
) -> tuple[Ints, Ints]:
    """Token numbers, with lower case for shouted texts and a token of its style after a text.

    Args:
        flat: of each token its index into `written`, texts end to end.
        lengths: tokens of each text.
        written: tokens as they are spelled, and in `usual` their numbers.
        encode: numbers of further tokens.
        styled: texts that are looked at; none where it is empty.

    Returns:
        Token numbers, int32, and how many each text has, int64.
    """
    ids = usual[flat]
    if not any(styled):
        return ids, lengths
    styles = np.where(np.asarray(styled), find_styles(flat, lengths, written), -1)
    if (styles < 0).all():
        return ids, lengths
    folded = encode([one.lower() for one in written])
    ids = np.where(np.repeat(styles == 0, lengths), folded[flat], ids)
    marked = np.flatnonzero(styles >= 0)
    marks = encode(STYLES)[styles[marked]]
    return np.insert(ids, np.cumsum(lengths)[marked], marks), lengths + (styles >= 0)


def find_styles(flat: Ints, lengths: Ints, written: Sequence[str]) -> Ints:
    """Of each text the index into `STYLES`, or -1."""
    kinds = np.array([_tell_kind(one) for one in written], np.int64)[flat]
    ends = np.cumsum(lengths)
    num = np.stack([_sum(kinds == kind, ends, lengths) for kind in range(_NONE)])
    words = num.sum(axis=0)
    capitals = np.array([any(map(str.isupper, one)) for one in written], np.bool_)[flat]
    has_capital = _sum(capitals, ends, lengths) > 0
    styles = np.full(len(lengths), -1)
    styles[~has_capital] = STYLES.index(LOWERED)
    styles[num[_MIXED] >= _MIN_MIXED * words] = STYLES.index(MIXED)
    is_titled = (num[_TITLE] + num[_UPPER] >= _MIN_TITLED * words) & (num[_TITLE] > 0)
    styles[is_titled] = STYLES.index(TITLED)
    styles[num[_UPPER] >= _MIN_SHOUTED * words] = STYLES.index(SHOUTED)
    styles[words < _MIN_WORDS] = -1
    return styles


def _tell_kind(token: str) -> int:
    """How a word of two letters or more is spelled."""
    if len(token) < 2 or not token.isalpha() or token.lower() == token.upper():
        return _NONE
    if token.islower():
        return _LOWER
    if token.isupper():
        return _UPPER
    return _TITLE if token[0].isupper() and token[1:].islower() else _MIXED


def _sum(flags: Ints, ends: Ints, lengths: Ints) -> Ints:
    """How many of each text's tokens are flagged."""
    sums = np.concatenate([[0], np.cumsum(flags)])
    return np.asarray(sums[ends] - sums[ends - lengths])
