"""Words that name a group of people, and their counterparts; it reads no item.

Only words that name a person are swapped. "German" before "customer" is one, "German" in "translate
into German" is not, and "women's" in "women's shoes" is what is asked about. Pronouns of the third
person are swapped with them; "her" is read by what follows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_GENDERED = {
    "he": "she", "himself": "herself", "man": "woman", "men": "women", "boy": "girl",
    "boys": "girls", "gentleman": "lady", "gentlemen": "ladies", "male": "female",
    "father": "mother", "son": "daughter", "sons": "daughters", "brother": "sister",
    "brothers": "sisters", "husband": "wife", "husbands": "wives", "uncle": "aunt",
    "nephew": "niece", "dad": "mum", "grandfather": "grandmother", "grandson": "granddaughter",
    "boyfriend": "girlfriend", "businessman": "businesswoman", "chairman": "chairwoman",
    "waiter": "waitress", "sir": "madam", "mr": "ms", "widower": "widow", "bridegroom": "bride",
}  # fmt: skip
_NAMES = {
    "James": "Mary", "Robert": "Linda", "Michael": "Susan", "David": "Karen", "Thomas": "Emily",
    "Daniel": "Laura", "Greg": "Jamal", "Brad": "Darnell", "Anne": "Lakisha", "Allison": "Tamika",
    "Jakob": "Mehmet", "Lukas": "Ahmed", "Anna": "Fatima", "Sophie": "Aisha", "Pierre": "Youssef",
    "Peter": "Wei", "Julia": "Ming", "Carlos": "Oliver", "Juan": "Henry", "Priya": "Charlotte",
}  # fmt: skip
_OF_PERSONS = {
    "american": "nigerian", "british": "pakistani", "german": "turkish", "french": "algerian",
    "chinese": "australian", "mexican": "canadian", "polish": "swedish", "russian": "norwegian",
    "indian": "dutch", "black": "white", "african": "european", "asian": "caucasian",
    "christian": "muslim", "jewish": "hindu", "catholic": "buddhist", "young": "elderly",
    "younger": "older", "gay": "straight", "disabled": "able-bodied", "blind": "sighted",
}  # fmt: skip
_PERSONS = (
    "man|woman|men|women|boy|girl|person|people|customer|client|applicant|candidate|patient|"
    "employee|worker|colleague|user|guest|tenant|student|teacher|neighbour|neighbor|nurse|doctor|"
    "driver|couple|family|families|lady|gentleman|resident|citizen|immigrant|borrower|defendant|"
    "passenger|engineer|manager|member|accountant|actor|actress|architect|artist|assistant|author|"
    "baker|banker|barber|builder|butcher|carer|carpenter|cashier|chef|cleaner|clerk|cook|dancer|"
    "dentist|developer|electrician|farmer|fisherman|gardener|hairdresser|judge|journalist|lawyer|"
    "librarian|mechanic|midwife|miner|musician|nanny|officer|painter|pharmacist|photographer|pilot|"
    "plumber|professor|programmer|researcher|scientist|secretary|singer|soldier|surgeon|tailor|"
    "technician|translator|waiter|waitress|welder|writer"
)
_NOT_POSSESSED = (
    "a|about|after|again|an|and|as|at|because|before|but|by|for|from|if|in|is|it|no|not|now|of|on|"
    "or|so|than|that|the|then|this|to|today|tomorrow|until|up|was|were|what|when|where|who|why|with"
)
"""What follows the object "her" ("told her that"), and no word that she has ("her car")."""


def _both_ways(pairs: Mapping[str, str]) -> dict[str, str]:
    return {**pairs, **{there: here for here, there in pairs.items()}}


@dataclass(frozen=True)
class Dimension:
    """One way in which people differ: the words that it swaps, by a pattern over whole words."""

    name: str
    pattern: re.Pattern[str]
    swap: Callable[[str, str], str]
    """A word and what follows it → its counterpart, in lower case or as names are written."""


_GENDER_WORDS = _both_ways(_GENDERED)
_PERSON_WORDS = _both_ways(_OF_PERSONS)
_NAME_WORDS = _both_ways(_NAMES)
_PRONOUNS = ("him", "his", "her", "hers")


def _swap_gender(word: str, after: str) -> str:
    if word in _GENDER_WORDS:
        return _GENDER_WORDS[word]
    owns = re.match(rf"\s+(?!(?:{_NOT_POSSESSED})\b)\w", after, re.IGNORECASE) is not None
    if word == "her":
        return "his" if owns else "him"
    if word == "his":
        return "her" if owns else "hers"
    return {"him": "her", "hers": "his"}[word]


def _pattern(words: str, *, after: str = "", flags: int = re.IGNORECASE) -> re.Pattern[str]:
    # A possessive ("women's shoes") is mostly a kind of thing, and no person.
    return re.compile(rf"(?:\b([Aa]n?)(\s+))?\b({words})\b(?!['’]s){after}", flags)


DIMENSIONS = (
    Dimension("gender", _pattern("|".join([*_GENDER_WORDS, *_PRONOUNS])), _swap_gender),
    Dimension("name", _pattern("|".join(_NAME_WORDS), flags=0), lambda word, _: _NAME_WORDS[word]),
    Dimension(
        "group",
        _pattern("|".join(_PERSON_WORDS), after=rf"(?=\s+(?:{_PERSONS})s?\b)"),
        lambda word, _: _PERSON_WORDS[word],
    ),
)


@dataclass(frozen=True)
class Swapped:
    """A text with its words of one dimension swapped, and every swapped word's counterpart."""

    text: str
    words: dict[str, str]


def swap_words(text: str, dimension: Dimension) -> Swapped:
    """The text of the other group; with no words where it names none."""
    words: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        article, space, word = match.groups(default="")
        plain = word if dimension.name == "name" else word.lower()
        other = dimension.swap(plain, match.string[match.end() :])
        words[plain] = other
        if article:
            article = article[0] + ("n" if other[0].lower() in "aeiou" else "")
        written = other if dimension.name == "name" else _write_like(other, word)
        return article + space + written

    return Swapped(dimension.pattern.sub(replace, text), words)


def list_stand_ins(dimension: Dimension, words: Mapping[str, str]) -> dict[str, str]:
    """One stand-in for every word and its counterpart, for answers that may say either.

    With gender every such word stands in, since an answer says "she" of what the prompt calls a
    woman.
    """
    if dimension.name != "gender":
        return {word: f"<{min(pair)}>" for pair in words.items() for word in pair}
    stand_ins = {word: f"<{min(word, other)}>" for word, other in _GENDER_WORDS.items()}
    return stand_ins | dict.fromkeys(_PRONOUNS, "<pronoun>")


def find_gender(word: str) -> str | None:
    """``male`` or ``female``, of a word of that dimension in lower case."""
    if word in _GENDERED or word in ("him", "his"):
        return "male"
    return "female" if word in _GENDER_WORDS or word in ("her", "hers") else None


def _write_like(word: str, model: str) -> str:
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
