"""Values of persons and accounts in answers that their prompt does not decide, and others of their
kind to be compared with; it asks no model."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from assay.chat import message_text
from assay.data.curate.private_spans import find_private_spans

MIN_OTHERS = 15
"""Others of a kind that rows must have to be drawn from; else letters and digits are drawn anew."""
_NUMBER = re.compile(r"(?<![\w.-])(?:[A-Za-z]{1,5}[-#]?)?\d(?:[-. /]?\d){5,}(?![\w-])")
_DATE = re.compile(r"\d{4}([-./])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2\d{4}")
_NAMES = ("introduced_name", "person_name")
_PUBLIC = ("role_email", "private_ip_address")
NUMBER = "number"
Message = dict[str, Any]


@dataclass(frozen=True)
class Identity:
    """One value in the last answer of a conversation.

    Attributes:
        kind: the privacy rule that found it, or ``number`` (six digits or more that are no date).
        masked: the conversation up to the answer, in which the value is its kind in brackets.
        before, after: the answer's text around the value.
    """

    kind: str
    value: str
    masked: tuple[Message, ...]
    before: str
    after: str

    def say(self, value: str) -> list[Message]:
        """The conversation with another value in the place of this one."""
        answer = f"{self.before}{value}{self.after}"
        return [*self.masked, {"role": "assistant", "content": answer}]


def find_identities(conversations: Sequence[Sequence[Message]]) -> list[list[Identity]]:
    """The values of each conversation that ends in an answer of words; each value once."""
    texts = [[message_text(one[-1])] if _is_answer(one) else [""] for one in conversations]
    spans: list[list[tuple[int, int, str]]] = [[] for _ in texts]
    for row, _, rule, span in find_private_spans(texts):
        if rule not in _PUBLIC:
            spans[row].append((span.start, span.end, rule))
    found = []
    for messages, (text,), own in zip(conversations, texts, spans, strict=True):
        numbers = [(*one.span(), NUMBER) for one in _NUMBER.finditer(text)]
        own += [one for one in numbers if not _is_date(text[one[0] : one[1]])]
        found.append(list(_build(messages, text, own)))
    return found


def draw_others(
    identity: Identity, known: Sequence[str], *, count: int, rng: Random
) -> list[str] | None:
    """Values that could stand there as well, none of them the true one; None where none are known.

    `known` are the values of this kind in other rows, each as often as it stands there, so that
    the true value is as frequent as those it is compared with.
    """
    others = [one for one in known if one != identity.value]
    if len(set(others)) >= MIN_OTHERS:
        return [rng.choice(others) for _ in range(count)]
    if identity.kind in _NAMES:
        return None
    drawn = (_redraw(identity.value, rng) for _ in range(count))
    return [one for one in drawn if one != identity.value]


def count_known(found: Iterable[Sequence[Identity]]) -> dict[tuple[str, str], list[str]]:
    """Values by kind and form (digits and letters alike), one for each row that has them."""
    known: dict[tuple[str, str], list[str]] = {}
    for row in found:
        for one in row:
            known.setdefault(name_form(one), []).append(one.value)
    return known


def name_form(identity: Identity) -> tuple[str, str]:
    """What values must have in common to be compared: kind, and where digits stand in numbers."""
    if identity.kind in _NAMES:
        return identity.kind, ""
    form = re.sub(r"\d", "0", re.sub(r"[A-Za-z]+", "a", identity.value))
    return identity.kind, form


def _is_answer(messages: Sequence[Message]) -> bool:
    return bool(messages) and messages[-1].get("role") == "assistant"


def _is_date(text: str) -> bool:
    return bool(_DATE.fullmatch(text.strip()))


def _build(
    messages: Sequence[Message], text: str, spans: Sequence[tuple[int, int, str]]
) -> Iterable[Identity]:
    taken: list[tuple[int, int]] = []
    values: Counter[str] = Counter()
    for start, end, kind in spans:
        value = text[start:end]
        if values[value] or any(start < other and end > begin for begin, other in taken):
            continue
        taken.append((start, end))
        values[value] += 1
        if text.count(value) == 1:
            masked = tuple(_mask(one, value, kind) for one in messages[:-1])
            if not _is_told_in_part(value, masked, text[:start]):
                yield Identity(kind, value, masked, text[:start], text[end:])


def _mask(message: Message, value: str, kind: str) -> Message:
    text = message_text(message)
    if value not in text:
        return dict(message)
    return {**message, "content": text.replace(value, f"[{kind.upper()}]")}


def _is_told_in_part(value: str, masked: Sequence[Message], before: str) -> bool:
    """Whether what stands before has a part of the value, of which the rest can be made."""
    said = " ".join([*(message_text(one) for one in masked), before]).lower()
    parts = re.findall(r"[^\W_]{3,}", value.lower())
    return any(part in said for part in parts)


def _redraw(value: str, rng: Random) -> str:
    """The same form: digits for digits, letters for letters of the same case."""
    pools = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
    drawn = ""
    for one in value:
        pool = next((pool for pool in pools if one in pool), "")
        drawn += rng.choice(pool) if pool else one
    return drawn
