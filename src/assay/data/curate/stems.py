"""The stems of a text's words, by which two texts are said to speak of the same."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_STEM_CHARS = 5
_COMMON = """
a an and any are as at be by can could do does for from get give has have her him his how i if in
into is it its may me my new no not of on one or our out please set so some tell that the their them
there these they this to up us use user users using want was we what when where which who will with
would you your the's value values name number string given
"""


def stem(word: str) -> str:
    """The first letters of a word in lower case."""
    return word[:_STEM_CHARS]


_COMMON_STEMS = frozenset(stem(word) for word in _COMMON.split())


def find_words(text: str) -> list[str]:
    """Runs of letters and digits, in lower case."""
    return _WORD.findall(text.lower())


def find_stems(text: str) -> set[str]:
    """The first letters of each word, those of common words left out; names are split."""
    words = find_words(_CAMEL.sub(" ", text))
    return {stem(word) for word in words if len(word) > 1} - _COMMON_STEMS
