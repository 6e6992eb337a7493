"""What of a conversation a text carries that should not leave: secrets, system text, results.

Found as it stands, in other case or punctuation, and in base64, hexadecimal or percent code. What
the user said as well is the user's to send.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from assay.tools.opened import open_codes
from assay.tools.policy.conversation import Conversation, Heard
from assay.tools.policy.rules import BreachKind
from assay.tools.policy.secrets import find_identifiers
from assay.tools.taint import MIN_CHARS, MIN_SECRET_CHARS, PART_CHARS, find_flows, simplify

Kind = Literal["secret", "system_text", "result_text"]


@dataclass(frozen=True)
class Carried:
    """Something of `heard` in a text: `kind` of breach, `form` of code, and where it stands as it
    is (`found`; "" where it is coded or in other words)."""

    kind: BreachKind
    heard: Heard
    form: str
    found: str = ""


@dataclass(frozen=True)
class View:
    """A text as it stands, or with a code undone."""

    form: str
    text: str
    plain: str

    @property
    def is_coded(self) -> bool:
        return self.form in ("hex", "base64")


def find_carried(
    text: str, conversation: Conversation, *, own: Sequence[str] = ()
) -> Iterator[Carried]:
    """What `text` carries, at most once for each kind and owner.

    Args:
        own: destinations that the text itself is, which are no secrets to whoever they are of.
    """
    views = [View(code, inner, simplify(inner)) for code, inner in open_codes(text)]
    for heard in (*conversation.systems, *conversation.users):
        if secret := _find_secret(text, views, heard, conversation):
            yield secret
    owners: tuple[tuple[Kind, Kind, tuple[Heard, ...]], ...] = (
        ("secret", "system_text", conversation.systems),
        ("result_text", "result_text", conversation.results),
    )
    for names_one, runs, texts in owners:
        for heard in texts:
            found = _find_identifier(names_one, views, heard, conversation, own)
            found = found or _find_run(runs, views, heard, conversation)
            if found:
                yield found


def _find_secret(
    text: str, views: Sequence[View], heard: Heard, conversation: Conversation
) -> Carried | None:
    for source in heard.secrets:
        if heard.owner == "system" and conversation.is_said_by_user(source.text):
            continue
        if len(source.plain) >= MIN_SECRET_CHARS:
            flows = find_flows(text, [source])
            if flows:
                return Carried("secret", heard, flows[0].form, source.text)
        elif found := _says(views, source.plain):
            return Carried("secret", heard, found.form, source.text)
    return None


def _says(views: Sequence[View], plain: str) -> View | None:
    return next((view for view in views if f" {plain} " in f" {view.plain} "), None)


def _find_identifier(
    kind: Kind,
    views: Sequence[View],
    heard: Heard,
    conversation: Conversation,
    own: Sequence[str],
) -> Carried | None:
    for view in views:
        for token in find_identifiers(view.text):
            is_own = any(token.lower() in place for place in own)
            if is_own or not heard.says(token) or conversation.is_said_by_user(token):
                continue
            return Carried(kind, heard, view.form, token)
    return None


def _find_run(
    kind: Kind, views: Sequence[View], heard: Heard, conversation: Conversation
) -> Carried | None:
    said = heard.source.plain
    for view in views:
        size = MIN_CHARS if view.is_coded else PART_CHARS
        is_whole = len(said) >= MIN_CHARS and said in view.plain
        if not is_whole and not _has_run(view.plain, said, size, conversation):
            continue
        if is_whole and any(said in one.source.plain for one in conversation.users):
            continue
        return Carried(kind, heard, view.form)
    return None


def _has_run(plain: str, said: str, size: int, conversation: Conversation) -> bool:
    """Whether `plain` has `size` letters in a row of what was said, which no user said."""
    half = size // 2
    # Any run of `size` letters holds a block of half of it that begins at a multiple of half.
    for block in range(0, len(plain) - half + 1, half):
        if plain[block : block + half] not in said:
            continue
        for start in range(max(0, block - half), min(block, len(plain) - size) + 1):
            run = plain[start : start + size]
            if run in said and not any(run in one.source.plain for one in conversation.users):
                return True
    return False
