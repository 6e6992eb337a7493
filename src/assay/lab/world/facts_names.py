"""Invented, pronounceable names; knows nothing of what the names stand for."""

from __future__ import annotations

import random

_STARTS = (
    *("Ba", "Be", "Bo", "Bra", "Da", "Do", "Dra", "Fa", "Fe", "Fi", "Ga", "Go", "Gri", "Ha"),
    *("Hol", "Ja", "Jo", "Ka", "Ke", "Kor", "La", "Le", "Lu", "Ma", "Me", "Mi", "Mo", "Na"),
    *("Ne", "No", "Or", "Pa", "Pe", "Po", "Ra", "Re", "Ro", "Sa", "Se", "So", "Ta", "Te"),
    *("Tor", "Tu", "Va", "Ve", "Vol", "Wa", "Wi", "Ya", "Za", "Zo"),
)
_MIDDLES = (
    *("", "", "", "la", "li", "ra", "ri", "na", "ni", "da", "do", "ma", "mi", "ta", "ve"),
    *("ro", "lo", "sa"),
)
_ENDS = {
    "place": ("lvo", "nda", "rin", "sk", "mar", "ton", "vik", "lem", "dor", "ra", "nholm", "ster"),
    "water": ("le", "na", "ra", "sha", "ne", "ro", "va", "lis"),
    "peak": ("k", "rn", "ng", "zor", "ld", "rok", "nt", "lhorn"),
    "family": ("st", "rn", "lman", "ndt", "vik", "sen", "ric", "mpel", "ld", "nov", "ski", "rez"),
    "company": ("tek", "vo", "lux", "nex", "dro", "sol", "bix", "rol"),
    "animal": ("bu", "ko", "lli", "mp", "ffle", "nu", "zel", "rro"),
    "dish": ("sha", "tti", "lata", "ko", "nka", "mbo", "rella", "ppa"),
    "book": ("lia", "ndor", "mis", "nthe", "rus", "vale"),
    "country": ("nia", "ria", "land", "stan", "via", "dor"),
}
_FIRST_NAMES = (
    *("Irena", "Anton", "Bela", "Carlo", "Dina", "Emil", "Freya", "Goran", "Hanna", "Ivo"),
    *("Jana", "Kiran", "Lena", "Marek", "Nadia", "Olaf", "Petra", "Rafe", "Selma", "Timo"),
    *("Una", "Viktor", "Wanda", "Yara", "Zeno", "Alma", "Boris", "Celia", "Darko", "Edda"),
)

NAME_STYLES: tuple[str, ...] = (*_ENDS, "person")


def invent_name(rng: random.Random, style: str) -> str:
    """A name of one of `NAME_STYLES`; a person has an ordinary first name and an invented one."""
    if style == "person":
        return f"{rng.choice(_FIRST_NAMES)} {invent_name(rng, 'family')}"
    return rng.choice(_STARTS) + rng.choice(_MIDDLES) + rng.choice(_ENDS[style])


def invent_names(rng: random.Random, style: str, count: int, *, taken: set[str]) -> list[str]:
    """`count` different names outside `taken`, which grows by them."""
    names: list[str] = []
    while len(names) < count:
        name = invent_name(rng, style)
        if name not in taken:
            taken.add(name)
            names.append(name)
    return names
