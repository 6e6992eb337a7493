"""Before and after of a plan: what it does by rule, and changed texts side by side."""

from __future__ import annotations

from collections import Counter

from assay.data.curate.changes import Change, Changes
from assay.data.curate.differing import compare_texts
from assay.release.data_report.view import spell_unseen
from assay.release.report.html import Html, clip, join, tag
from assay.release.wording import plain

_ACTIONS = ("drop", "mask", "repair", "relabel", "keep")
_OPEN_RULES = 12
_SAME_CHARS = 240
_MAX_SHOWN = 1_500


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
    old, new = compare_texts(before, after)
    return tag(
        "div",
        tag("p", path, class_="caption"),
        tag("pre", join(_part(text, "del", is_other) for text, is_other in old), class_="before"),
        tag("pre", join(_part(text, "ins", is_other) for text, is_other in new), class_="after"),
        class_="sides",
    )


def _part(text: str, name: str, is_other: bool) -> Html:
    shown = spell_unseen(text, is_marked=is_other)
    if is_other:
        return tag(name, clip(shown, max_chars=_MAX_SHOWN))
    return join([_shorten(shown)])


def _shorten(text: str) -> str:
    if len(text) <= 2 * _SAME_CHARS:
        return text
    return f"{text[:_SAME_CHARS]} … {text[-_SAME_CHARS:]}"
