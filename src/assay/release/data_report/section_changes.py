"""Before and after of a plan: what it does by rule, and changed texts side by side."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence

from assay.data.curate.changes import Change, Changes
from assay.release.data_report.view import spell_unseen
from assay.release.report.html import Html, join, tag
from assay.release.wording import plain

_ACTIONS = ("drop", "mask", "repair", "relabel", "keep")
_OPEN_RULES = 12
_SAME_CHARS = 240
_MAX_DIFFED = 6_000
_MAX_SHOWN = 1_500
_WORD = re.compile(r"\s+|\w+|[^\w\s]")


def render_changes(changes: Changes | None) -> Html | None:
    """Counts by action, and rows before and after; nothing where there is no plan."""
    if changes is None or not changes.counts:
        return None
    dropped, changed = plain(changes.num_dropped), plain(changes.num_changed)
    if changes.is_done:
        told = f"{dropped} rows were dropped and {changed} changed."
    else:
        told = f"A plan of these findings would drop {dropped} rows and change {changed}."
    left = changes.num_changed - len(changes.rows)
    if left > 0:
        told += f" The texts of {plain(len(changes.rows))} of them are shown."
    return join(
        [
            tag("p", told, class_="intro"),
            _counts(changes),
            tag("div", join(_render_change(one) for one in changes.rows), class_="items"),
        ]
    )


def _counts(changes: Changes) -> Html:
    totals: Counter[str] = Counter()
    for counts in changes.counts.values():
        totals.update(counts)
    used = [action for action in _ACTIONS if totals[action]]
    rows = [(rule, counts) for rule, counts in changes.counts.items()]
    body = join(
        tag(
            "tr",
            tag("th", rule, scope="row"),
            join(tag("td", _number(counts.get(action, 0)), class_="number") for action in used),
        )
        for rule, counts in [*rows, ("all rules", totals)]
    )
    head = join(tag("th", action.capitalize(), scope="col", class_="number") for action in used)
    first = tag("th", "Findings by action", scope="col")
    table = tag("table", tag("thead", tag("tr", first, head)), tag("tbody", body), class_="actions")
    told = ", ".join(f"{action} {plain(totals[action])}" for action in used)
    return tag(
        "details",
        tag("summary", f"Findings by action: {told}"),
        tag("div", table, class_="scroll"),
        open=len(rows) <= _OPEN_RULES,
    )


def _number(count: int) -> str:
    return plain(count) if count else "–"


def _render_change(change: Change) -> Html:
    done = ", ".join(f"{rule}: {action}" for rule, action in change.actions)
    texts = join(_side_by_side(one.path, one.before, one.after) for one in change.texts)
    return tag(
        "article",
        tag("header", tag("strong", change.place), tag("span", done)),
        texts,
        class_="change-of",
    )


def _side_by_side(path: str, before: str, after: str) -> Html:
    old, new = mark_changes(before, after)
    return tag(
        "div",
        tag("p", path, class_="caption"),
        tag("pre", join(_part(text, "del", is_other) for text, is_other in old), class_="before"),
        tag("pre", join(_part(text, "ins", is_other) for text, is_other in new), class_="after"),
        class_="sides",
    )


def _part(text: str, name: str, is_other: bool) -> Html:
    shown = spell_unseen(text, is_marked=is_other)
    return tag(name, shown) if is_other else join([_shorten(shown)])


def _shorten(text: str) -> str:
    if len(text) <= 2 * _SAME_CHARS:
        return text
    return f"{text[:_SAME_CHARS]} … {text[-_SAME_CHARS:]}"


def mark_changes(before: str, after: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Both texts in parts, each with whether it differs from the other text; word by word.

    Long texts are compared at their ends alone: what lies between is one part that differs.
    """
    if len(before) + len(after) > _MAX_DIFFED:
        return _compare_ends(before, after)
    a, b = _WORD.findall(before), _WORD.findall(after)
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    old: list[tuple[str, bool]] = []
    new: list[tuple[str, bool]] = []
    for what, i, j, k, m in matcher.get_opcodes():
        old.append(("".join(a[i:j]), what != "equal"))
        new.append(("".join(b[k:m]), what != "equal"))
    return [part for part in old if part[0]], [part for part in new if part[0]]


def _compare_ends(before: str, after: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    shorter = min(len(before), len(after))
    start = next((n for n in range(shorter) if before[n] != after[n]), shorter)
    end = 0
    while end < shorter - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return _in_three(before, start, end), _in_three(after, start, end)


def _in_three(text: str, start: int, end: int) -> list[tuple[str, bool]]:
    middle = text[start : len(text) - end]
    if len(middle) > _MAX_SHOWN:
        middle = f"{middle[:_MAX_SHOWN]} … ({len(middle) - _MAX_SHOWN:,} more characters)"
    parts: Sequence[tuple[str, bool]] = (
        (text[:start], False),
        (middle, True),
        (text[len(text) - end :], False),
    )
    return [part for part in parts if part[0]]
