"""Marks what somebody said or hid, and finds it again in the arguments of tool calls.

A source is a text that must not leave: the user's words, the system prompt, a planted secret, a
tool's result. It is found as it stands, in other case or punctuation, in base64, hexadecimal or
percent code, and in part. Whether a call may carry it is for others to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from assay.tools.opened import Code, open_codes

Owner = Literal["user", "system", "secret", "result"]
Form = Literal["exact", "case", "url", "hex", "base64"]

MIN_CHARS = 12
"""Length from which a source, or a coded part of one, is looked for. Shorter texts come about by
chance; a secret is looked for from 8 characters, since nobody writes one by chance."""
MIN_SECRET_CHARS = 8
PART_CHARS = 24
"""Letters in a row that make a part, which is less than a line and more than a set phrase."""
_WORD = re.compile(r"[^\W_]+")
_WINDOW_WORDS = 8
_NO_WORD = str.maketrans({chr(code): " " for code in range(128) if not chr(code).isalnum()})


@dataclass(frozen=True)
class Source:
    """A text and whose it is; `name` says which one, where there are several."""

    owner: Owner
    text: str
    name: str = ""

    @cached_property
    def plain(self) -> str:
        """Its words in lower case, with one space between."""
        return simplify(self.text)

    @cached_property
    def shingles(self) -> frozenset[str]:
        """Every run of letters that is long enough to be a part of it."""
        return frozenset(_shingle(self.plain, self.part_chars))

    @property
    def min_chars(self) -> int:
        return MIN_SECRET_CHARS if self.owner == "secret" else MIN_CHARS

    @property
    def part_chars(self) -> int:
        """Of a secret half of it says enough, of other texts a run of `PART_CHARS`."""
        half = max(MIN_SECRET_CHARS, -(-len(self.plain) // 2))
        return min(PART_CHARS, half) if self.owner == "secret" else PART_CHARS


@dataclass(frozen=True)
class Flow:
    """A source that is found in a text.

    Attributes:
        source: whose text it is.
        form: how it stands there: ``exact``, ``case`` (in other case or punctuation), or in a code.
        whole: all of it, or two of three long pieces of a long one; else a part.
        share: part of the source's letters that is there, in (0, 1].
    """

    source: Source
    form: Form
    whole: bool
    share: float


def mark_sources(
    messages: Sequence[Mapping[str, Any]], *, secrets: Mapping[str, str] | None = None
) -> list[Source]:
    """The sources of a conversation: its system, user and tool turns, and the secrets planted.

    Secrets come first, so that a text which holds one is not told before it. What is too short to
    be found again is left out.
    """
    sources = [Source("secret", text, name) for name, text in (secrets or {}).items()]
    for number, message in enumerate(messages):
        owner = _OWNER_OF.get(str(message.get("role")))
        content = message.get("content")
        if owner and isinstance(content, str):
            sources.append(Source(owner, content, f"messages[{number}]"))
    return [source for source in sources if len(source.plain) >= source.min_chars]


_OWNER_OF: dict[str, Owner] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "tool": "result",
}


def find_flows(text: str, sources: Sequence[Source], *, parts: bool = True) -> list[Flow]:
    """The sources that `text` carries, each once, in the order of `sources`.

    A source of at least `Source.min_chars` is found whole in every form. With `parts` a run of
    `Source.part_chars` of it is found as well; a part of `MIN_CHARS` in base64 or hexadecimal is
    always, since nobody writes that by chance.
    """
    views = [(code, inner, simplify(inner)) for code, inner in open_codes(text)]
    found = (_find_best(views, source, parts) for source in sources)
    return [flow for flow in found if flow]


def find_flows_in(
    arguments: Any, sources: Sequence[Source], *, parts: bool = True
) -> Iterator[tuple[str, Flow]]:
    """Every flow into the texts of a call's arguments, with the path of the text (``a.b[0]``)."""
    for path, text in iterate_texts(arguments):
        for flow in find_flows(text, sources, parts=parts):
            yield path, flow


def iterate_texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a decoded JSON value with its path, the keys of objects left out."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from iterate_texts(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from iterate_texts(inner, f"{path}[{place}]")


def simplify(text: str) -> str:
    """The words of a text in lower case, with one space between."""
    if text.isascii():
        # Several times faster, and the same: beyond ASCII other letters and digits are words, too.
        return " ".join(text.lower().translate(_NO_WORD).split())
    return " ".join(_WORD.findall(text.lower()))


def holds_whole(plain: str, source: Source) -> bool:
    """Whether `plain` (see `simplify`) has all of `source`, or two of three pieces of a long one.

    The pieces are eight words each from its begin, middle and end.
    """
    said = source.plain
    if len(plain) * 3 < len(said):
        return False
    if said in plain:
        return True
    words = said.split(" ")
    if len(words) < 3 * _WINDOW_WORDS:
        return False
    starts = (0, len(words) // 2, len(words) - _WINDOW_WORDS)
    return sum(" ".join(words[one : one + _WINDOW_WORDS]) in plain for one in starts) >= 2


def _find_best(views: Sequence[tuple[Code, str, str]], source: Source, parts: bool) -> Flow | None:
    """The flow that says most of `source`; of two that say the same, the plainer one."""
    if len(source.plain) < source.min_chars:
        return None
    best: Flow | None = None
    for code, text, plain in views:
        found = _find_one(code, text, plain, source, parts)
        if found and (best is None or (found.whole, found.share) > (best.whole, best.share)):
            best = found
    return best


def _find_one(code: Code, text: str, plain: str, source: Source, parts: bool) -> Flow | None:
    form: Form = code if code != "plain" else "exact" if source.text in text else "case"
    if holds_whole(plain, source):
        return Flow(source, form, True, 1.0 if source.plain in plain else _share(plain, source))
    if code in ("hex", "base64"):
        num_chars = min(MIN_CHARS, source.part_chars)
        share = _cover(plain, frozenset(_shingle(source.plain, num_chars)), num_chars, source)
    elif parts:
        share = _share(plain, source)
    else:
        return None
    return Flow(source, form, False, share) if share else None


def _share(plain: str, source: Source) -> float:
    return _cover(plain, source.shingles, source.part_chars, source)


def _cover(plain: str, shingles: frozenset[str], num_chars: int, source: Source) -> float:
    """Length of the runs of `plain` that are in `shingles`, as a share of the source, up to 1."""
    covered, end = 0, 0
    for start in range(len(plain) - num_chars + 1):
        if plain[start : start + num_chars] in shingles:
            covered += start + num_chars - max(start, end)
            end = start + num_chars
    return min(1.0, covered / len(source.plain))


def _shingle(text: str, num_chars: int) -> Iterator[str]:
    return (text[start : start + num_chars] for start in range(len(text) - num_chars + 1))
