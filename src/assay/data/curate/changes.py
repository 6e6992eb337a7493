"""Before and after of a plan: the texts of rows that it changes, with what is secret hidden."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from assay.data.curate.apply import apply_actions
from assay.data.curate.differing import compare_texts
from assay.data.curate.finding import Finding, show_ends
from assay.data.curate.look import hide, list_hidden, read_texts
from assay.data.curate.mask_book import MaskBook
from assay.data.curate.plan import Plan, is_planned
from assay.data.curate.settings import Settings
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


def propose_changes(
    findings: Iterable[Finding], settings: Settings, rows: Mapping[int, Record]
) -> Changes:
    """What a plan of these findings would do, and its texts for the rows at hand, by number."""
    tally = _Tally()
    seen: dict[int, list[Finding]] = {}
    for one in findings:
        if is_planned(one, settings):
            tally.add(one, one.number)
        if one.number in rows:
            seen.setdefault(one.number, []).append(one)
    book = MaskBook()
    found: list[Change] = []
    for number, own in sorted(seen.items()):
        actions = [one for one in own if one.fix != "keep" and is_planned(one, settings)]
        after = apply_actions(rows[number], actions, book) if actions else None
        if after is not None and len(found) < MAX_CHANGES:
            texts = [
                _compare(path, before, now, _of_path(own, path))
                for path, before, now in _list_changed(rows[number], after)
            ]
            found.append(Change(rows[number].place, _name(actions), tuple(texts)))
    return tally.summarise(found, is_done=False)


def collect_changes(
    plan: Plan, before: Iterable[Record], after: Iterable[Record], left: Iterable[Finding]
) -> Changes:
    """What a plan did: rows of a version and of the one made of it are compared by their place.

    Args:
        left: what a check finds in the new version; what those rules hide is hidden here, too.
            What was masked is told by its ends.
    """
    tally = _Tally()
    actions: dict[str, list[Finding]] = {}
    for one in plan.actions:
        tally.add(one, one.place)
        if one.fix != "keep":
            actions.setdefault(one.place, []).append(one)
    places = [place for place, own in actions.items() if not _is_dropped(own)][:MAX_CHANGES]
    wanted = set(places)
    old = {one.place: one for one in before if one.place in wanted}
    new = {one.place: one for one in after if one.place in wanted}
    still: dict[str, list[Finding]] = {}
    for one in left:
        if one.place in wanted:
            still.setdefault(one.place, []).append(one)
    found = [
        _collect(old[place], new[place], actions[place], still.get(place, []))
        for place in places
        if place in old and place in new
    ]
    return tally.summarise(found, is_done=True)


def _collect(
    before: Record, after: Record, actions: Sequence[Finding], left: Sequence[Finding]
) -> Change:
    texts = []
    masked = {one.span.path for one in actions if one.span is not None and one.fix == "mask"}
    for path, old, new in _list_changed(before, after):
        shown = hide_differing(old, new) if path in masked else old
        hidden = list_hidden(new, _of_path(left, path))
        texts.append(ChangedText(path, _replace(shown, hidden), _replace(new, hidden)))
    return Change(before.place, _name(actions), tuple(texts))


def hide_differing(before: str, after: str) -> str:
    """`before` with only the ends of what `after` does not have.

    Spans of later passes are of texts that earlier ones have changed, so they do not tell where
    in the first text something was masked.
    """
    parts, _ = compare_texts(before, after)
    return "".join(show_ends(text) if is_other else text for text, is_other in parts)


class _Tally:
    """Actions by rule, and for each row whether it is dropped."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._dropped: dict[int | str, bool] = {}

    def add(self, finding: Finding, row: int | str) -> None:
        self._counts.setdefault(finding.rule, Counter())[finding.fix] += 1
        if finding.fix != "keep":
            self._dropped[row] = self._dropped.get(row, False) or finding.fix == "drop"

    def summarise(self, found: Sequence[Change], *, is_done: bool) -> Changes:
        dropped = sum(self._dropped.values())
        rows = tuple(one for one in found if one.texts)
        changed = len(self._dropped) - dropped
        return Changes(dict(sorted(self._counts.items())), dropped, changed, rows, is_done)


def _is_dropped(actions: Sequence[Finding]) -> bool:
    return any(one.fix == "drop" for one in actions)


def _compare(path: str, before: str, after: str, findings: Sequence[Finding]) -> ChangedText:
    hidden = list_hidden(before, findings)
    return ChangedText(path, hide(before, findings), _replace(after, hidden))


def _replace(text: str, hidden: Iterable[tuple[str, str]]) -> str:
    for raw, shown in hidden:
        text = text.replace(raw, shown)
    return text


def _list_changed(before: Record, after: Record) -> Iterator[tuple[str, str, str]]:
    old, new = read_texts(before), read_texts(after)
    for path in dict.fromkeys([*old, *new]):
        if old.get(path) != new.get(path):
            yield path, old.get(path, ""), new.get(path, "")


def _of_path(findings: Iterable[Finding], path: str) -> list[Finding]:
    return [one for one in findings if one.span is not None and one.span.path == path]


def _name(actions: Iterable[Finding]) -> tuple[tuple[str, str], ...]:
    return tuple(dict.fromkeys((one.rule, one.fix) for one in actions))
