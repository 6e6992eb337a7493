"""Who named a value: the destination of a call, or the words that it sends; it allows nothing."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase

from assay.tools.destinations import find_destinations
from assay.tools.policy.conversation import Conversation, Heard
from assay.tools.policy.rules import ArgumentRule, Speaker
from assay.tools.taint import simplify


def list_heard(conversation: Conversation) -> tuple[tuple[Speaker, tuple[Heard, ...]], ...]:
    """The texts of each speaker, the user first."""
    return (
        ("user", conversation.users),
        ("system", conversation.systems),
        ("call", conversation.call_texts),
        ("result", conversation.results),
    )


def find_destination_texts(text: str) -> list[str]:
    """The destinations in a value, as they are looked up."""
    return [one.text for one in find_destinations(text)]


def find_namers(
    text: str, conversation: Conversation, *, among: Collection[Speaker] | None = None
) -> frozenset[Speaker]:
    """Everybody, or of `among`, who named the value whole: each destination in it or, without any,
    its words.

    Nobody (``model``) where no one did.
    """
    places = find_destination_texts(text)
    found: set[Speaker] = set()
    for speaker, texts in list_heard(conversation):
        if among is not None and speaker not in among:
            continue
        if places:
            is_named = all(any(heard.names(place) for heard in texts) for place in places)
        else:
            is_named = any(heard.says(text) for heard in texts)
        if is_named:
            found.add(speaker)
    return frozenset(found) or frozenset({"model"})


def is_named(text: str, rule: ArgumentRule, namers: frozenset[Speaker]) -> bool:
    """Whether a destination is named by somebody who may, or allowed."""
    if namers & set(rule.named_by) - {"model"} or not simplify(text):
        return True
    places = find_destination_texts(text)
    if not places and "model" in rule.named_by:
        return True
    return all(is_allowed(place, rule.allow) for place in places or [text.strip().lower()])


def is_allowed(place: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern fits `place`, case aside; ``..`` in a path fits none with a star."""
    if ".." in place:
        return any(place == pattern.lower() for pattern in patterns)
    return any(fnmatchcase(place, pattern.lower()) for pattern in patterns)


def find_authors(text: str, conversation: Conversation) -> frozenset[Speaker]:
    """Whose words a text is put together of; ``model`` where a word is of nobody.

    The user's words count as the user's whoever else said them.
    """
    left = frozenset(simplify(text).split()) - conversation.user_words
    found: set[Speaker] = {"user"}
    for speaker, texts in list_heard(conversation)[1:]:
        said = {word for word in left if any(word in heard.words for heard in texts)}
        if said:
            found.add(speaker)
            left -= said
    return frozenset(found | {"model"} if left else found)


def is_authored(text: str, rule: ArgumentRule, conversation: Conversation) -> bool:
    """Whether every word is of somebody whose words the argument may hold."""
    if "model" in rule.named_by or text.strip().lower() in rule.allow:
        return True
    texts = [
        heard
        for who, all_of in list_heard(conversation)
        if who in rule.named_by
        for heard in all_of
    ]
    words = frozenset(simplify(text).split())
    return all(any(word in heard.words for heard in texts) for word in words)
