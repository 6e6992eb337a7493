"""What a sweep tried: the curves of all candidates over one another, and how each ended."""

from __future__ import annotations

from assay.release.report.charts import read_series
from assay.release.report.html import Html, join, tag
from assay.release.report.overlay import NOTHING, NUM_COLOURS, Curve, render_key, render_overlay
from assay.release.report.source import ReportSource
from assay.release.swept import Sweep, Tried
from assay.release.wording import plain

_CHARTS = (
    ("eval/loss", "Validation loss per trained token", 260.0),
    ("train/loss", "Train loss per trained token", 260.0),
)
_LEGEND_CHARS = 90
_WORDS, _NUMBERS = ("", "Candidate", "Setting"), ("Best validation loss", "At step", "Steps")


def render_sweep(source: ReportSource) -> Html | None:
    """The choice in words, the overlay of both losses, and a table of all; None without."""
    if source.sweep is None:
        return None
    intro = tag("p", source.sweep.sentence, class_="intro")
    figures = join(_figure(source, *chart) for chart in _CHARTS)
    return join([intro, figures, _table(source.sweep)])


def _figure(source: ReportSource, key: str, title: str, height: float) -> Html | None:
    curves = [curve for curve in _read_curves(source, key) if curve.series.points]
    if not curves:
        return None
    caption = tag("figcaption", title, _legend(curves))
    return tag("figure", caption, render_overlay(curves, height=height))


def _legend(curves: list[Curve]) -> Html | None:
    """Which line is whose, where they are few; the table has the key of every one."""
    if len(curves) > NUM_COLOURS:
        return None
    labels = [one.series.label for one in curves]
    if sum(map(len, labels)) > _LEGEND_CHARS:
        labels = [one.name for one in curves]
    keys = (
        tag("span", render_key(one), label, class_="curve-key")
        for one, label in zip(curves, labels, strict=True)
    )
    return tag("span", join(keys), class_="curve-keys")


def _read_curves(source: ReportSource, key: str) -> list[Curve]:
    assert source.sweep is not None
    return [
        Curve(
            number,
            one.name,
            read_series(source.curves.get(one.name, []), key, one.label, ""),
            one.is_chosen,
        )
        for number, one in enumerate(source.sweep.candidates)
    ]


def _table(sweep: Sweep) -> Html:
    head = tag(
        "tr",
        *(tag("th", title, scope="col") for title in _WORDS),
        *(tag("th", title, scope="col", class_="number") for title in _NUMBERS),
        tag("th", "", scope="col"),
    )
    rows = join(_row(number, one) for number, one in enumerate(sweep.candidates))
    table = tag("table", tag("thead", head), tag("tbody", rows), class_="candidates")
    return tag("div", table, class_="scroll")


def _row(number: int, one: Tried) -> Html:
    steps = plain(one.num_steps)
    mark = tag("span", "chosen", class_="badge pass") if one.is_chosen else None
    if one.failed:
        mark = tag("span", "failed", class_="badge fail", title=one.failed)
    return tag(
        "tr",
        tag("td", render_key(Curve(number, one.name, NOTHING, one.is_chosen))),
        tag("th", one.name, scope="row"),
        tag("td", one.label, tag("small", one.failed) if one.failed else None),
        tag("td", "–" if one.loss is None else f"{one.loss:.4f}", class_="number"),
        tag("td", plain(one.best_step), class_="number"),
        tag("td", f"{steps}, early" if one.stopped_early else steps, class_="number"),
        tag("td", mark),
    )
