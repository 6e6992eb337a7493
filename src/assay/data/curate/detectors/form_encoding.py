"""Texts that went through the wrong encoding: mojibake, control characters, lost characters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from assay.data.curate.batch import Batch, Text
from assay.data.curate.detector import Detector
from assay.data.curate.finding import Hit, Rule
from assay.data.curate.passages import (
    MESSAGES,
    Passage,
    TextRule,
    blank_code,
    compare,
    scan_texts,
    show,
)
from assay.data.curate.settings import Settings

MOJIBAKE = Rule(
    "mojibake",
    "form",
    "warning",
    "repair",
    "Text that was decoded with the wrong encoding, such as â€™ for an apostrophe: the model would "
    "learn to write it.",
)
CONTROL_CHARACTER = Rule(
    "control_character",
    "form",
    "warning",
    "repair",
    "Characters that no one sees or types, such as NUL, backspace or the colours of a terminal.",
)
LOST_CHARACTER = Rule(
    "lost_character",
    "form",
    "warning",
    "drop",
    "The sign � (U+FFFD) where a decoder gave a character up, or a character that only some font "
    "knows (a bullet of a PDF, say): what stood there is gone.",
)

# What UTF-8 gives when read as Latin-1, Windows-1252, -1251, Mac Roman or code page 437: the first
# character comes of a leading byte, the second of a continuation.
_MOJIBAKE = (
    r"[\x{c2}-\x{f4}][\x{80}-\x{bf}\x{152}\x{153}\x{160}\x{161}\x{178}\x{17d}\x{17e}\x{192}"
    r"\x{2c6}\x{2dc}\x{2013}-\x{2122}]"
    r"|[РСв][\x{a0}-\x{bf}\x{402}\x{403}\x{409}\x{40a}\x{40b}\x{40c}\x{40f}\x{452}\x{453}"
    r"\x{459}\x{45a}\x{45b}\x{45c}\x{45f}\x{2013}-\x{2122}]"
    r"|‚Ä[\x{a0}-\x{2122}]|√[\x{a0}-\x{2122}]|¬[†-\x{2122}©®]|ΓÇ[\x{a0}-\x{2600}]|├[\x{a0}-\x{2600}]"
)
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}]"
_CONTROLS = re.compile("\x1b\\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# U+FFFD, the private use area, and the code points that are no characters.
_LOST_HINT = r"[\x{FFFD}\x{E000}-\x{F8FF}\x{FDD0}-\x{FDEF}\x{FFFE}\x{FFFF}]"
_LOST = re.compile("[\ufffd\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff]")
_NAMED = {"\x00": "NUL", "\x08": "backspace", "\x0c": "form feed", "\x1b": "escape", "\x7f": "DEL"}


def find_mojibake(text: Text) -> Iterator[Passage]:
    """The part that ftfy would decode anew; line by line, since a text may mix encodings."""
    import ftfy

    fixed = "\n".join(map(ftfy.fix_encoding, text.text.split("\n")))
    if fixed == text.text:
        return
    start, end, repaired = compare(text.text, fixed)
    shown = show(repaired)[:60]
    yield Passage(start, end, f"decoded with the wrong encoding; meant was {shown!r}", repaired)


def find_controls(text: Text) -> Iterator[Passage]:
    """All control characters of a text as one passage; those of mojibake are left to that rule."""
    found = [match for match in _CONTROLS.finditer(text.text) if not _is_misread(match, text.text)]
    if not found:
        return
    start, end = found[0].start(), found[-1].end()
    names = dict.fromkeys(_name_control(match[0]) for match in found)
    evidence = f"{len(found)} control characters: {', '.join(list(names)[:5])}"
    yield Passage(start, end, evidence, _CONTROLS.sub("", text.text[start:end]))


def _is_misread(match: re.Match[str], text: str) -> bool:
    return match[0] >= "\x80" and "\xc2" <= text[match.start() - 1 : match.start()] <= "\xf4"


def _name_control(found: str) -> str:
    if len(found) > 1:
        return "terminal code"
    return _NAMED.get(found, f"U+{ord(found):04X}")


def find_lost(text: Text) -> Iterator[Passage]:
    """The first lost character, and how many there are; in code a font's own are let be."""
    found = list(_LOST.finditer(text.text))
    if "\ufffd" not in text.text:
        found = list(_LOST.finditer(blank_code(text.text)))
    if found:
        names = ", ".join(dict.fromkeys(f"U+{ord(one[0]):04X}" for one in found[:5]))
        yield Passage(*found[0].span(), f"{len(found)} characters lost: {names}")


RULES = (
    TextRule(MOJIBAKE, MESSAGES, _MOJIBAKE, find_mojibake),
    TextRule(CONTROL_CHARACTER, MESSAGES, _CONTROL, find_controls),
    TextRule(LOST_CHARACTER, MESSAGES, _LOST_HINT, find_lost),
)


def scan(batch: Batch, settings: Settings) -> Iterable[Hit]:
    """Hits of the rules of this module."""
    return scan_texts(RULES, batch, settings)


DETECTORS = (Detector("form_encoding", tuple(one.rule for one in RULES), scan=scan),)
