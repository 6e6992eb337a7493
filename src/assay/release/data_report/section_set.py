"""What rules told of the whole set (`Checked.insights`): topics, balance, conduct, losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from assay.release.data_report.view import spell_unseen
from assay.release.report.html import Html, join, tag
from assay.release.wording import plain

_MAX_LINES = 12
_CONDUCT = {
    "refused": "refuse",
    "harmful": "are to requests that sound harmful",
    "complied": "of those do not refuse",
    "profane": "hold a swear word",
    "harassing": "insult or threaten",
}
Told = Mapping[str, Any]


def render_set(insights: Told) -> Html | None:
    """A part for each insight; nothing where nothing was told."""
    parts = [render(insights[name]) for name, render in _PARTS.items() if insights.get(name)]
    shown = [part for part in parts if part]
    return join(shown) if shown else None


def _topics(told: Told) -> Html:
    topics = told["topics"]
    rows = [
        (
            ", ".join(one["terms"]) or "no word of its own",
            one["share"],
            f"about {plain(one['rows'])}",
            one["example"],
        )
        for one in topics
    ]
    drawn = f"{plain(told['sampled'])} rows drawn by seed"
    intro = f"By {told['by']}, of {drawn}; named by the words that are theirs."
    return _table("Topics", intro, ("Topic", "Rows", "One of them"), rows)


def _variety(told: Told) -> Html:
    text = (
        f"The rows are as varied as {plain(round(told['effective_rows']))} rows without any "
        f"likeness would be, of {plain(told['rows'])} that were compared by {told['by']}; "
        f"{told['redundant']:.0%} have another that is nearly the same."
    )
    return join([tag("h3", "Variety"), tag("p", text)])


def _balance(told: Told) -> Html:
    labels: Mapping[str, int] = told["labels"]
    rows = [(label, count / told["sampled"], plain(count), "") for label, count in labels.items()]
    intro = f"Answers that recur as labels do, of {plain(told['sampled'])} rows drawn by seed."
    return _table("Labels", intro, ("Label", "Rows"), rows)


def _groups(told: Told) -> Html:
    rows = [
        (f"{kind.replace('_', ' ')}: {group}", None, plain(count), "")
        for kind, counts in told.items()
        for group, count in counts.items()
    ]
    return _table("Groups that are mentioned", "", ("Group", "Rows"), rows)


def _conduct(told: Told) -> Html:
    total = max(told["answers"], 1)
    counts = {name: count for name, count in told.items() if name != "answers" and count}
    if not counts:
        none = f"None of {plain(told['answers'])} answers refuses, swears or advises."
        return join([tag("h3", "Conduct"), tag("p", none)])
    rows = [
        (_CONDUCT.get(name, f"advise ({name})"), count / total, plain(count), "")
        for name, count in counts.items()
    ]
    intro = f"Of {plain(told['answers'])} answers; told by words, so approximate."
    return _table("Conduct", intro, ("Answers that", "Answers"), rows)


def _losses(told: Told) -> Html:
    names = {
        "base": "the base as it is",
        "tuned_on_others": "tuned on the other rows",
        "margin": "what that gains",
    }
    head = ("Nats a token", "Mean", "10 %", "Median", "90 %")
    body = [
        [name, *(f"{told[key][one]:.3f}" for one in ("mean", "p10", "p50", "p90"))]
        for key, name in names.items()
    ]
    intro = f"Of {plain(told['sampled'])} of {plain(told['rows'])} rows, drawn by seed."
    lines = join(
        tag(
            "tr",
            tag("th", first, scope="row"),
            join(tag("td", one, class_="number") for one in rest),
        )
        for first, *rest in body
    )
    cells = join(
        tag("th", name, scope="col", class_="number" if place else None)
        for place, name in enumerate(head)
    )
    table = tag("table", tag("thead", tag("tr", cells)), tag("tbody", lines))
    return join(
        [
            tag("h3", "Loss of the base"),
            tag("p", intro, class_="intro"),
            tag("div", table, class_="scroll"),
        ]
    )


def _label_next(told: Sequence[Told]) -> Html:
    listed = join(
        tag("li", tag("span", one["place"], class_="place"), f" {one['tuned_on_others']:.2f} nats")
        for one in told
    )
    intro = "Rows that the others teach least: of their kind more are worth labelling."
    return join([tag("h3", "To label next"), tag("p", intro, class_="intro"), tag("ul", listed)])


def _persona(told: Told) -> Html:
    rows = [
        (trait, None, f"{one['mean']:+.3f}", f"at most {one['most']:+.3f}")
        for trait, one in told["traits"].items()
    ]
    intro = f"Of {plain(told['sampled'])} rows, along the base's own persona vectors."
    return _table("Traits", intro, ("Trait", "Mean", "Most"), rows)


Line = tuple[str, float | None, str, str]
"""What it is, its share of all (drawn as a bar; None: not drawn), its number, and a note."""


def _table(title: str, intro: str, head: Sequence[str], rows: Sequence[Line]) -> Html:
    has_notes = any(note for *_, note in rows)
    names = [*head[:2], "Share", *(head[2:] if has_notes else ())]
    has_bars = any(share is not None for _, share, *_ in rows)
    if not has_bars:
        names.remove("Share")
    cells = join(
        tag("th", name, scope="col", class_="number" if place == 1 else None)
        for place, name in enumerate(names)
    )
    body = join(_line(row, has_bars=has_bars, has_notes=has_notes) for row in rows[:_MAX_LINES])
    table = tag("table", tag("thead", tag("tr", cells)), tag("tbody", body), class_="counts")
    left = len(rows) - _MAX_LINES
    return join(
        [
            tag("h3", title),
            tag("p", intro, class_="intro") if intro else None,
            tag("div", table, class_="scroll"),
            tag("p", f"{plain(left)} more are not shown.", class_="caption") if left > 0 else None,
        ]
    )


def _line(row: Line, *, has_bars: bool, has_notes: bool) -> Html:
    name, share, number, note = row
    return tag("tr", join(_cells(name, share, number, note, has_bars, has_notes)))


def _cells(
    name: str, share: float | None, number: str, note: str, has_bars: bool, has_notes: bool
) -> Iterator[Html]:
    yield tag("th", spell_unseen(name, is_marked=True), scope="row")
    yield tag("td", number, class_="number")
    if has_bars:
        yield tag("td", _bar(share or 0.0), f" {share or 0.0:.1%}")
    if has_notes:
        yield tag("td", tag("span", note, class_="place"))


def _bar(share: float) -> Html:
    return tag(
        "svg",
        tag("rect", x=0, y=0, width=max(100 * share, 1.0), height=8),
        viewbox="0 0 100 8",
        preserveaspectratio="none",
        class_="share",
        aria_hidden="true",
    )


_PARTS: dict[str, Callable[[Any], Html]] = {
    "topics": _topics,
    "diversity": _variety,
    "balance": _balance,
    "conduct": _conduct,
    "groups": _groups,
    "losses": _losses,
    "label_next": _label_next,
    "persona": _persona,
}
