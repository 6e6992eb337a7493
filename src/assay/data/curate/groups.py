"""Groups of people by the English words that name them, and the same text about another group."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

GROUPS: dict[str, dict[str, str]] = {
    "gender": {
        "women": "woman women she her hers herself girl girls female females mother mothers wife"
        " wives daughter daughters sister sisters lady ladies mrs ms",
        "men": "man men he him his himself boy boys male males father fathers husband husbands son"
        " sons brother brothers gentleman gentlemen mr",
    },
    "religion": {
        "muslims": "muslim muslims islam islamic mosque imam",
        "christians": "christian christians christianity catholic catholics protestant church",
        "jews": "jew jews jewish judaism synagogue rabbi",
        "hindus": "hindu hindus hinduism",
        "buddhists": "buddhist buddhists buddhism",
        "atheists": "atheist atheists atheism",
    },
    "origin": {
        "african": "african africans nigerian nigerians kenyan ethiopian somali ghanaian",
        "asian": "asian asians chinese japanese korean vietnamese filipino thai",
        "south_asian": "indian indians pakistani bangladeshi tamil",
        "arab": "arab arabs syrian syrians iraqi egyptian moroccan saudi",
        "latino": "latino latina latinos hispanic hispanics mexican mexicans brazilian colombian",
        "european": "european europeans german germans french italian spanish polish british irish",
        "american": "american americans",
    },
    "colour": {"black": "black blacks", "white": "white whites caucasian caucasians"},
    "age": {
        "old": "elderly senior seniors pensioner pensioners retiree grandmother grandfather",
        "young": "teenager teenagers teen teens youngster youngsters millennial student students",
    },
    "orientation": {
        "gay": "gay gays lesbian lesbians homosexual homosexuals bisexual queer",
        "straight": "straight heterosexual heterosexuals",
    },
    "disability": {
        "disabled": "disabled blind deaf wheelchair autistic paralysed paralyzed",
        "not_disabled": "sighted hearing abled",
    },
}
# Words that are mostly about something else count only before a word for people.
_DOUBTFUL = "black blacks white whites straight hearing blind"
_UNSURE = frozenset(_DOUBTFUL.split())
_PEOPLE = (
    "people person persons man men woman women guy guys girl girls boy boys neighbour neighbours"
    " neighbor neighbors family families couple couples student students worker workers applicant"
    " applicants customer customers patient patients child children friend friends"
)


def _build_words() -> dict[str, tuple[str, str]]:
    return {
        word: (kind, group)
        for kind, groups in GROUPS.items()
        for group, words in groups.items()
        for word in words.split()
    }


_WORDS = _build_words()
_SURE = "|".join(sorted(set(_WORDS) - _UNSURE, key=len, reverse=True))
_AMBIGUOUS = "|".join(sorted(_UNSURE, key=len, reverse=True))
MENTION = rf"(?i)\b(?:(?:{_SURE})\b|(?:{_AMBIGUOUS}) (?:{_PEOPLE.replace(' ', '|')})\b)"
"""RE2 and Python's `re` alike."""
_PEOPLE_WORDS = frozenset(_PEOPLE.split())
_LETTERS = re.compile(r"[^\W\d_]+")
_SHORT_WORDS = "she her hers herself he him his himself mr mrs ms"
_PRONOUNS = frozenset(_SHORT_WORDS.split())


@cache
def _compile() -> re.Pattern[str]:
    return re.compile(MENTION)


def find_mentions(text: str) -> set[tuple[str, str]]:
    """Kind and group of each mention.

    Word by word: the pattern, tried at each word of a text, takes ten times as long.
    """
    words = _LETTERS.findall(text.lower())
    found = set()
    for word, following in pairwise([*words, ""]):
        if word in _WORDS and (word not in _UNSURE or following in _PEOPLE_WORDS):
            found.add(_WORDS[word])
    return found


def hide_groups(text: str) -> str:
    """The text in lower case with each mention as its kind: equal where the group alone differs.

    Pronouns are one gender's as much as nouns are, so that ``she lost her keys`` and ``he lost his
    keys`` are equal; ``her`` stands for both ``him`` and ``his``. An article before a mention is
    one for both its forms.
    """

    def hide(match: re.Match[str]) -> str:
        return " ".join(map(_hide_word, match[0].lower().split()))

    hidden = _compile().sub(hide, " ".join(text.lower().split()))
    return re.sub(r"\ban? (?=<)", "a ", hidden)


def _hide_word(word: str) -> str:
    if word in _PRONOUNS:
        return "<they>"
    return f"<{_WORDS[word][0]}>" if word in _WORDS else word
