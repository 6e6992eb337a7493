"""Names of persons where the text itself says that they are: introductions and signatures."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assay.data.curate.detectors.spans import Found
from assay.data.curate.finding import Rule

INTRODUCED_NAME = Rule(
    "introduced_name",
    "privacy",
    "info",
    "mask",
    "A name that a person gives as theirs: after “my name is”, or under a letter.",
)

_CUES = (
    r"my (?:full )?name is|my name['’]s|name:|full name:|mein name ist|ich heiße|je m['’]appelle"
    r"|me llamo|mi nombre es|mi chiamo|mijn naam is|meu nome é|nazywam się"
)
_CLOSINGS = (
    r"(?:best|kind|warm)? ?regards|sincerely|yours truly|mit freundlichen grüßen|viele grüße"
    r"|cordialement|saludos"
)
NAME_START = rf"(?i)\b(?:{_CUES}) \w|(?:{_CLOSINGS}),?\n"
_LETTERS = r"[A-ZÄÖÜÀ-Þ][a-zß-ÿ'’-]+"
_NAME = rf"{_LETTERS}(?: (?:van |von |de |der |da )?(?:{_LETTERS}|[A-ZÄÖÜ]\.))" + r"{0,2}"
_INTRODUCED = re.compile(rf"(?i:\b(?:{_CUES})) ({_NAME})")
_SIGNED = re.compile(rf"(?i:(?:{_CLOSINGS})),?\n\s*({_NAME})\s*(?:\n|$)")


def find_introduced_names(text: str) -> Iterator[Found]:
    """One to three capitalised words after a cue."""
    for pattern, where in ((_INTRODUCED, "given as a name"), (_SIGNED, "under a letter")):
        for found in pattern.finditer(text):
            if not found[1].startswith(("Your ", "My ")):
                yield INTRODUCED_NAME.name, found.span(1), where, found[1]
