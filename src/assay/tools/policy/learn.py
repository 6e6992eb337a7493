"""Learns from calls who may name an argument's values, and which destinations need no naming.

Rows may be poisoned, so two things that a planted call shows are not learned: what a tool's result
orders, and a destination that nobody named, given again and again in an argument whose other
destinations somebody names. System text is never learned to be sent.
"""

from __future__ import annotations

import glob
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.tools.channels import Channel, find_call_channels, find_word_stems
from assay.tools.destinations import find_destinations
from assay.tools.policy.carried import find_carried
from assay.tools.policy.naming import find_authors, find_destination_texts, find_namers
from assay.tools.policy.narrow import MIN_CALLS
from assay.tools.policy.rules import ArgumentRule, Carried, Speaker
from assay.tools.policy.seen import Seen
from assay.tools.taint import iterate_texts, simplify

MAX_TRACED = 3000
"""Calls of a tool that are looked at this closely, evenly spaced among all."""
_FEW_CALLS = 100
_NAMED_SHARE = 0.05
_RARE_SHARE = 0.02
_SHAPE_SHARE = 0.2
_MAX_CONSTANTS = 50
_LEADING = find_word_stems(
    "to recipient recipients receiver cc bcc name path file filename folder directory url uri link"
    " host hostname endpoint address account iban channel contact phone email webhook destination"
    " target room username site domain server bucket"
)


@dataclass(frozen=True)
class LeftOut:
    """Calls that were not learned from: `value` is the destination that nobody named, or ""."""

    tool: str
    argument: str
    reason: str
    value: str
    num_calls: int


def find_outward(calls: Sequence[Seen]) -> dict[str, tuple[Channel, ...]]:
    """The arguments of a tool's calls that lead out, with their channels.

    The schema's words tell, and the shape of the values where a fifth of them have it.
    """
    found: dict[str, Counter[Channel]] = defaultdict(Counter)
    given: Counter[str] = Counter()
    for seen in calls:
        channels = find_call_channels(seen.call.name, seen.call.arguments, seen.tools)
        for name, own in channels.items():
            if any(True for _ in iterate_texts(seen.call.arguments[name])):
                given[name] += 1
                found[name].update(own)
    outward = {}
    for name, counts in found.items():
        enough = tuple(
            sorted(one for one, num in counts.items() if num >= _SHAPE_SHARE * given[name])
        )
        if enough:
            outward[name] = enough
    return outward


def leads(name: str, texts: Sequence[str]) -> bool:
    """Whether an argument names a destination: by its name, or by the form of most values."""
    if find_word_stems(name) & _LEADING:
        return True
    whole = sum(
        any(one.text == text.strip().lower() for one in find_destinations(text)) for text in texts
    )
    return 2 * whole > len(texts)


def learn_destination(
    channels: tuple[Channel, ...], name: str, calls: Sequence[Seen]
) -> tuple[ArgumentRule, dict[str, int]]:
    """The rule of an argument that names destinations, and those not learned, with counts."""
    traced = [
        (text, find_namers(text, seen.before)) for seen in calls for text in texts_of(seen, name)
    ]
    traced = [(text, namers) for text, namers in traced if simplify(text)]
    credited = Counter(next(iter(_in_order(namers))) for _, namers in traced)
    named_by = _choose_speakers(credited, len(traced))
    unnamed = Counter(text for text, namers in traced if namers == {"model"})
    num_named = len(traced) - unnamed.total()
    refused: dict[str, int] = {}
    if num_named >= _NAMED_SHARE * len(traced):
        refused = {text: num for text, num in unnamed.items() if num >= 3}
        kept = {text: num for text, num in unnamed.items() if text not in refused}
        if len(traced) >= MIN_CALLS and sum(kept.values()) < _RARE_SHARE * len(traced):
            refused, kept = dict(unnamed), {}
    else:
        kept = dict(unnamed)
    allow, is_free = _allow(kept)
    rule = ArgumentRule(
        channels=channels,
        leads=True,
        named_by=(*named_by, "model") if is_free else named_by,
        allow=allow,
        carries=_learn_carried(name, calls),
    )
    return rule, refused


def learn_content(channels: tuple[Channel, ...], name: str, calls: Sequence[Seen]) -> ArgumentRule:
    """The rule of an argument that says what is sent."""
    authors = [find_authors(text, seen.before) for seen in calls for text in texts_of(seen, name)]
    credited = Counter(speaker for one in authors for speaker in one)
    named_by: tuple[Speaker, ...] = ("user", "model")
    if len(authors) >= MIN_CALLS and "model" not in credited:
        named_by = tuple(s for s in _SPEAKERS if s == "user" or credited[s])
    return ArgumentRule(channels=channels, named_by=named_by, carries=_learn_carried(name, calls))


_SPEAKERS: tuple[Speaker, ...] = ("user", "system", "call", "result")


def _in_order(namers: frozenset[Speaker]) -> list[Speaker]:
    return [one for one in (*_SPEAKERS, "model") if one in namers]


def _choose_speakers(credited: Mapping[Speaker, int], num: int) -> tuple[Speaker, ...]:
    enough = 1 if num < _FEW_CALLS else 3
    return tuple(s for s in _SPEAKERS if s == "user" or credited.get(s, 0) >= enough)


def _learn_carried(name: str, calls: Sequence[Seen]) -> tuple[Carried, ...]:
    """Parts of results where calls show it; the user's secrets where half the values are ones."""
    with_result = with_secret = num = 0
    for seen in calls:
        for text in texts_of(seen, name):
            found = list(find_carried(text, seen.before, own=find_destination_texts(text)))
            num += 1
            with_result += any(one.kind == "result_text" for one in found)
            with_secret += any(one.kind == "secret" and one.heard.owner == "user" for one in found)
    carries: list[Carried] = []
    if with_secret and 2 * with_secret >= num:
        carries.append("secret")
    if with_result >= (1 if num < _FEW_CALLS else 3):
        carries.append("result")
    return tuple(carries)


def texts_of(seen: Seen, name: str) -> list[str]:
    """The texts of one argument of a call."""
    return [text for _, text in iterate_texts(seen.call.arguments.get(name))]


def spread(calls: Sequence[Seen], most: int = MAX_TRACED) -> Sequence[Seen]:
    """At most `most` of the calls, evenly spaced."""
    if len(calls) <= most:
        return calls
    return [calls[place * len(calls) // most] for place in range(most)]


def _allow(kept: Mapping[str, int]) -> tuple[tuple[str, ...], bool]:
    """Patterns for destinations that nobody named, and whether other texts may be anything."""
    places: dict[str, set[str]] = defaultdict(set)
    others: Counter[str] = Counter()
    for text, num in kept.items():
        found = list(find_destinations(text))
        for one in found:
            places[one.kind].add(one.text)
        if not found:
            others[text.strip().lower()] += num
    patterns = [one for kind, texts in places.items() for one in _generalise(kind, texts)]
    is_free = len(others) > _MAX_CONSTANTS or any(num < 2 for num in others.values())
    if not is_free:
        patterns += [glob.escape(text) for text in others]
    return tuple(sorted(patterns)), is_free


def _generalise(kind: str, texts: set[str]) -> list[str]:
    """One pattern for ten addresses of a domain, or three paths of a folder; else each as it is."""
    mark, least = {"address": ("@", 10), "path": ("/", 3)}.get(kind, ("", 0))
    if not mark:
        return [glob.escape(text) for text in texts]
    groups: dict[str, set[str]] = defaultdict(set)
    for text in texts:
        before, _, after = text.rpartition(mark)
        groups[after if kind == "address" else before].add(text)
    patterns = []
    for common, own in groups.items():
        if len(own) < least or not common:
            patterns += [glob.escape(text) for text in own]
        elif kind == "address":
            patterns.append(f"*@{glob.escape(common)}")
        else:
            patterns.append(f"{glob.escape(common)}/*")
    return patterns
