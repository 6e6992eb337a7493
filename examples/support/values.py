"""The values that fill the slots of a wording, and how a wording varies; knows no answer."""

from __future__ import annotations

import random
import re


def _words(text: str) -> list[str]:
    return text.split()


ELECTRIC = _words("lamp toaster kettle fan heater blender mixer clock radio printer fridge")
LARGE = _words("sofa table desk bench shelf bed mattress fridge carpet")
SMALL = _words(
    """lamp toaster kettle fan heater blender mixer clock radio printer mirror chair vase basket
    pillow blanket curtain candle"""
)
FURNITURE = _words("sofa table desk bench shelf bed chair")
GOODS = sorted({*LARGE, *SMALL})
WITHOUT_PLUG = [good for good in GOODS if good not in ELECTRIC]
CITIES = _words(
    """Hamburg Munich Cologne Dresden Leipzig Berlin Vienna Graz Zurich Geneva Basel Lyon Lille
    Nantes Paris London Leeds Bristol Glasgow Dublin Madrid Seville Porto Lisbon Milan Turin
    Rome Naples Prague Warsaw Oslo Riga Ghent Antwerp Utrecht Brussels Malmo Athens Budapest"""
)
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday")
NAMES = _words(
    """Anna Ben Clara David Emma Felix Hugo Jonas Leo Nora Oscar Paula Simon Victor Wanda Greta
    Ida Karin Marta Rita Tina Carl Erik Ivan Oliver Vera Frida Linda Olga Tara Omar Lina"""
)
DOMAINS = _words("otter.example post.example lakeside.example oakfield.example office.example")
OPENINGS = (
    "Hello. ",
    "Hi. ",
    "Good morning. ",
    "Quick question. ",
    "Please help me. ",
    "Hi there. ",
)
CLOSINGS = (
    " Thanks.",
    " Thank you.",
    " Please answer soon.",
    " I live in {city}.",
    " I am {name}.",
)

_SLOT_OR_WORD = re.compile(r"\{\w+\}|[a-z]{5,}")


def draw_values(rng: random.Random) -> dict[str, str]:
    """A value for every slot that a wording may have."""
    name = rng.choice(NAMES)
    number = rng.choice(("", str(rng.randrange(2, 100))))
    return {
        "order": f"OT-{rng.randrange(10000, 100000)}",
        "good": rng.choice(GOODS),
        "electric": rng.choice(ELECTRIC),
        "furniture": rng.choice(FURNITURE),
        "city": rng.choice(CITIES),
        "day": rng.choice(DAYS),
        "name": name,
        "email": f"{name.lower()}{number}@{rng.choice(DOMAINS)}",
        "label": f"R-{rng.randrange(1000, 10000)}",
        "hour": f"{rng.randrange(8, 18)}:{rng.choice(('00', '15', '30', '45'))}",
    }


def vary(rng: random.Random, wording: str) -> str:
    """The wording as people write: with a greeting, in small letters, or with a slip in a word."""
    style = rng.random()
    if style < 0.10:
        return wording.lower().rstrip(".?")
    if style < 0.18:
        wording = misspell(rng, wording)
    opening = rng.choice(OPENINGS) if rng.random() < 0.25 else ""
    closing = rng.choice(CLOSINGS) if rng.random() < 0.20 else ""
    return f"{opening}{wording}{closing}"


def misspell(rng: random.Random, wording: str) -> str:
    """Two neighbouring letters swapped, or one left out, in one long word; never in a slot."""
    words = [m for m in _SLOT_OR_WORD.finditer(wording) if not m[0].startswith("{")]
    if not words:
        return wording
    word = rng.choice(words)
    at = word.start() + rng.randrange(1, len(word[0]) - 2)
    kept = "" if rng.random() < 0.5 else wording[at]
    return f"{wording[:at]}{wording[at + 1]}{kept}{wording[at + 2 :]}"
