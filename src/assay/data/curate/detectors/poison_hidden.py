"""Characters that a person does not see, or takes for others: invisible ones and look-alikes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from assay.data.curate.batch import Batch, Text
from assay.data.curate.detector import Detector
from assay.data.curate.finding import Hit, Rule, Span, shorten
from assay.data.curate.settings import Settings

HIDDEN_TEXT = Rule(
    "hidden_text",
    "poison",
    "error",
    "drop",
    "Invisible characters that spell a message: Unicode tags, or bytes in variation selectors.",
)
INVISIBLE_CHARACTERS = Rule(
    "invisible_characters",
    "poison",
    "warning",
    "repair",
    "Zero-width characters or text-direction overrides where no script needs them: a mark that a "
    "model reads and a person does not.",
)
HOMOGLYPHS = Rule(
    "homoglyphs",
    "poison",
    "warning",
    "repair",
    "A word with letters of another alphabet that look like its own, which a person reads as the "
    "word and a model does not.",
)

# Unicode 16, chapters 9.2, 23.2 to 23.4 and 23.9; a leading U+FEFF is a byte order mark.
_JOINERS = "\u200c\u200d"
_ZERO_WIDTH = "\u200b\u2060-\u2064\ufeff\u180e\u115f\u1160\u3164\uffa0\ufff9-\ufffb"
_MARKS = "\u200e\u200f\u061c"
_BIDI = "\u202a-\u202e\u2066-\u2069"
_TAGS = "\U000e0000-\U000e007f"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_SEARCHED = f"[{_ZERO_WIDTH}{_BIDI}{_TAGS}{_JOINERS}{_MARKS}]|[{_SELECTORS}]{{2}}"
_RUN = re.compile(f"[{_ZERO_WIDTH}{_BIDI}{_JOINERS}{_MARKS}]+|[{_TAGS}]+|[{_SELECTORS}]{{2,}}")
# Scripts that join letters by choice, or mark where a line may break: there these are spelling.
_JOINING = re.compile(
    "[\u0600-\u08ff\u0900-\u0dff\u0e00-\u0eff\u0f00-\u109f\u1780-\u18af\ufb50-\ufdff\ufe70-\ufefc]"
)
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_PICTURE = re.compile("[\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff\ufe0f]")
_FLAG = "\U0001f3f4"
_MIN_MESSAGE = 3

_CYRILLIC = dict(
    zip("аеорсухіјѕһԁԛԝАВЕКМНОРСТХУІЈЅӀ", "aeopcyxijshdqwABEKMHOPCTXYIJSI", strict=True)
)
_GREEK = dict(zip("οανρυικΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "oavpuikABEZHIKMNOPTYX", strict=True))
_TO_LATIN = _CYRILLIC | _GREEK
_TO_CYRILLIC = {latin: letter for letter, latin in _CYRILLIC.items()}
_FANCY = "\U0001d400-\U0001d7cb"
_MIXED = rf"[A-Za-z][\p{{Cyrillic}}\p{{Greek}}]|[\p{{Cyrillic}}\p{{Greek}}][A-Za-z]|[{_FANCY}]{{4}}"
_LETTERS = re.compile(f"[A-Za-z\u0370-\u052f{_FANCY}]{{3,}}")


def find_invisible(batch: Batch, settings: Settings) -> Iterator[Hit]:
    """At most one hit of each rule a text, over all that is hidden in it."""
    for text in batch.matching(_SEARCHED):
        runs = [run for run in _RUN.finditer(text.text) if not _is_spelling(text.text, run)]
        message = next((said for run in runs if (said := _decode(run[0]))), None)
        if message is not None:
            evidence = f"characters that do not show spell {shorten(message, limit=120)!r}"
            yield Hit(text.row.number, HIDDEN_TEXT.name, evidence, _span(text, runs))
        elif runs:
            yield _tell_invisible(text, runs)


def _tell_invisible(text: Text, runs: list[re.Match[str]]) -> Hit:
    points = sorted({f"U+{ord(char):04X}" for run in runs for char in run[0]})
    evidence = f"{sum(len(run[0]) for run in runs)} characters that do not show: {points[0]}"
    evidence += f" and {len(points) - 1} others" if len(points) > 1 else ""
    start, end = runs[0].start(), runs[-1].end()
    kept = text.text[start:end]
    for run in reversed(runs):
        kept = kept[: run.start() - start] + kept[run.end() - start :]
    name = INVISIBLE_CHARACTERS.name
    return Hit(text.row.number, name, evidence, _span(text, runs), repaired=kept)


def _span(text: Text, runs: list[re.Match[str]]) -> Span:
    """From the first run to the last, what does not show written as escapes."""
    start, end = runs[0].start(), runs[-1].end()
    shown = _RUN.sub(lambda run: run[0].encode("unicode_escape").decode(), text.text[start:end])
    return Span(text.path, start, end, shorten(shown))


def _is_spelling(text: str, run: re.Match[str]) -> bool:
    """Whether these characters are how emoji, right-to-left text or a joining script is written."""
    before, after = text[run.start() - 1 : run.start()], text[run.end() : run.end() + 1]
    found = run[0]
    if found == "\ufeff" and run.start() == 0:
        return True
    if "\U000e0000" <= found[0] <= "\U000e007f":
        return before == _FLAG and found[-1] == "\U000e007f" and len(found) <= 8
    if found[0] in _JOINERS + "\u200b" and len(found) == 1:
        # A picture may wear a selector or a skin colour before the joiner.
        around = before + after
        return bool(_JOINING.search(around) or (found == "\u200d" and _PICTURE.match(before)))
    if all(char in _MARKS or "\u202a" <= char <= "\u2069" for char in found):
        nearby = text[max(run.start() - 40, 0) : run.end() + 40]
        overrides = any(char in "\u202d\u202e" for char in found)
        return not overrides and bool(_RIGHT_TO_LEFT.search(nearby))
    return False


def _decode(run: str) -> str | None:
    """What tags or variation selectors spell, or None; a selector stands for one byte."""
    first = ord(run[0])
    if 0xE0000 <= first <= 0xE007F:
        said = "".join(chr(ord(char) - 0xE0000) for char in run)
    elif 0xFE00 <= first <= 0xFE0F or 0xE0100 <= first <= 0xE01EF:
        points = [ord(char) for char in run]
        octets = bytes(one - 0xFE00 if one < 0xE0000 else one - 0xE0100 + 16 for one in points)
        said = octets.decode("utf-8", "ignore")
    else:
        return None
    shown = "".join(char for char in said if char.isprintable())
    return shown if len(shown) >= _MIN_MESSAGE else None


def find_homoglyphs(batch: Batch, settings: Settings) -> Iterator[Hit]:
    """One hit for each mixed word."""
    for text in batch.matching(_MIXED):
        for word in _LETTERS.finditer(text.text):
            plain = _read_as(word[0])
            if plain is not None:
                alien = next(a for a, b in zip(word[0], plain, strict=True) if a != b)
                evidence = f"reads as {plain!r}, but has U+{ord(alien):04X}"
                span = Span(text.path, word.start(), word.end(), shorten(word[0]))
                yield Hit(text.row.number, HOMOGLYPHS.name, evidence, span, repaired=plain)


def _read_as(word: str) -> str | None:
    """The word in the alphabet of most of its letters, or None where nobody would be misled.

    Every alien letter must look like one of the word's own, and stand among them: ``IT-отдел`` and
    ``SMSка`` join two alphabets openly, and ``Δt`` looks like no word.
    """
    latin = [char.isascii() for char in word]
    if all("\U0001d400" <= char <= "\U0001d7cb" for char in word):
        import unicodedata

        return unicodedata.normalize("NFKC", word) if len(word) >= _MIN_MESSAGE + 1 else None
    num_latin = sum(latin)
    if num_latin in (0, len(word)):
        return None
    to_own = _TO_LATIN if num_latin * 2 >= len(word) else _TO_CYRILLIC
    aliens = [
        char
        for char, is_latin in zip(word, latin, strict=True)
        if is_latin != (to_own is _TO_LATIN)
    ]
    if not all(char in to_own for char in aliens):
        return None
    switches = sum(a != b for a, b in pairwise(latin))
    if switches == 1 and len(aliens) > 1:
        return None
    return "".join(to_own.get(char, char) for char in word)


DETECTORS = (
    Detector("invisible", (HIDDEN_TEXT, INVISIBLE_CHARACTERS), scan=find_invisible),
    Detector("homoglyphs", (HOMOGLYPHS,), scan=find_homoglyphs),
)
