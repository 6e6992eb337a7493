"""Before and after of a plan: the texts of rows that it changes, with what is secret hidden."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from assay.data.curate.apply import apply_actions
from assay.data.curate.finding import Finding
from assay.data.curate.look import hide, list_hidden, read_texts
from assay.data.curate.mask_book import MaskBook
from assay.data.curate.plan import Plan
from assay.data.records import Record

MAX_CHANGES = 200


@dataclass(frozen=True)
class ChangedText:
    """One text of a row before and after."""

    path: str
    before: str
    after: str


@dataclass(frozen=True)
class Change:
    """A row that is changed: its place, the rules and actions that change it, and its texts."""

    place: str
    actions: tuple[tuple[str, str], ...]
    texts: tuple[ChangedText, ...]


@dataclass(frozen=True)
class Changes:
    """What a plan does.

    Attributes:
        counts: `{rule: {action: findings}}`.
        num_dropped: rows that it drops.
        num_changed: rows that it changes; `rows` are the first of them that are at hand.
        is_done: it was carried out; else it is what a plan would do.
    """

    counts: Mapping[str, Mapping[str, int]]
    num_dropped: int
    num_changed: int
    rows: tuple[Change, ...]
    is_done: bool


def propose_changes(plan: Plan, rows: Mapping[int, Record]) -> Changes:
    """What a plan would do to the rows at hand, by their numbers."""
    book = MaskBook()
    found: list[Change] = []
    for number, actions in sorted(plan.by_row().items()):
        record = rows.get(number)
        if record is None or len(found) == MAX_CHANGES:
            continue
        after = apply_actions(record, actions, book)
        if after is not None:
            found.append(_compare(record, after, actions))
    return _summarise(plan, found, is_done=False)


def collect_changes(plan: Plan, before: Iterable[Record], after: Iterable[Record]) -> Changes:
    """What a plan did: rows of a version and of the one made of it are compared by their place."""
    actions: dict[str, list[Finding]] = {}
    for one in plan.actions:
        if one.fix != "keep":
            actions.setdefault(one.place, []).append(one)
    places = [place for place, own in actions.items() if not _is_dropped(own)][:MAX_CHANGES]
    wanted = set(places)
    old = {one.place: one for one in before if one.place in wanted}
    new = {one.place: one for one in after if one.place in wanted}
    found = [
        _compare(old[place], new[place], actions[place])
        for place in places
        if place in old and place in new
    ]
    return _summarise(plan, found, is_done=True)


def _summarise(plan: Plan, found: Sequence[Change], *, is_done: bool) -> Changes:
    by_place: dict[str, bool] = {}
    for one in plan.actions:
        if one.fix != "keep":
            by_place[one.place] = by_place.get(one.place, False) or one.fix == "drop"
    dropped = sum(by_place.values())
    rows = tuple(one for one in found if one.texts)
    return Changes(plan.counts, dropped, len(by_place) - dropped, rows, is_done)


def _is_dropped(actions: Sequence[Finding]) -> bool:
    return any(one.fix == "drop" for one in actions)


def _compare(before: Record, after: Record, actions: Sequence[Finding]) -> Change:
    old, new = read_texts(before), read_texts(after)
    texts = []
    for path in dict.fromkeys([*old, *new]):
        if old.get(path) == new.get(path):
            continue
        own = [one for one in actions if one.span is not None and one.span.path == path]
        left = new.get(path, "")
        for text, shown in list_hidden(old.get(path, ""), own):
            left = left.replace(text, shown)
        texts.append(ChangedText(path, hide(old.get(path, ""), own), left))
    done = tuple(dict.fromkeys((one.rule, one.fix) for one in actions))
    return Change(before.place, done, tuple(texts))
