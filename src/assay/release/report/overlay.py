"""The same curve of several candidates in one drawing, each in its own colour or dashes.

A candidate that runs away would press all others flat: the window ends a little above where the
chosen one and every start lie, and what is higher is drawn along the top.
"""

from __future__ import annotations

from dataclasses import dataclass

from assay.release.report.charts import (
    WIDTH,
    Frame,
    Point,
    Series,
    draw_grid,
    draw_line,
    fit_frame,
    smooth,
    step_window,
    thin,
)
from assay.release.report.html import Html, join, tag
from assay.release.wording import plain

NUM_COLOURS = 8
NUM_DASHES = 4
_HEADROOM = 1.15
_SMOOTH_FROM = 60


NOTHING = Series("", "", "", [])


@dataclass(frozen=True)
class Curve:
    """One candidate's curve; `number` decides its colour and dashes."""

    number: int
    name: str
    series: Series
    is_chosen: bool

    @property
    def kind(self) -> str:
        """The style classes of the line."""
        dashes = self.number // NUM_COLOURS % NUM_DASHES
        chosen = " chosen" if self.is_chosen else ""
        return f"curve k{self.number % NUM_COLOURS} d{dashes}{chosen}"


def render_overlay(curves: list[Curve], *, height: float) -> Html:
    """Draw every curve over the steps of the longest, the chosen one in front."""
    top = _find_top(curves)
    shown = [_cut(one.series.points, top) for one in curves]
    series = [Series("", "", "", points) for points in shown]
    frame = fit_frame(series, height=height, steps=step_window({"": series}))
    told = ", ".join(f"{one.name} {plain(one.series.points[-1][1])}" for one in curves)
    order = sorted(zip(curves, shown, strict=True), key=lambda pair: pair[0].is_chosen)
    return tag(
        "svg",
        tag("title", f"At the end: {told}"),
        draw_grid(frame),
        join(_draw(frame, one, points) for one, points in order),
        viewbox=f"0 0 {WIDTH:.0f} {height:.0f}",
        class_="overlay",
        role="img",
        aria_label=f"At the end: {told}",
    )


def render_key(curve: Curve) -> Html:
    """A short piece of the candidate's line, for a table or a legend."""
    line = tag("line", x1=0.0, x2=28.0, y1=6.0, y2=6.0, class_=curve.kind)
    return tag("svg", line, viewbox="0 0 28 12", class_="line-key", aria_hidden="true")


def _find_top(curves: list[Curve]) -> float:
    starts = [one.series.points[0][1] for one in curves]
    chosen = [y for one in curves if one.is_chosen for _, y in one.series.points]
    return _HEADROOM * max([*starts, *chosen])


def _cut(points: list[Point], top: float) -> list[Point]:
    calm = smooth(points) if len(points) > _SMOOTH_FROM else points
    return [(x, min(y, top)) for x, y in thin(calm)]


def _draw(frame: Frame, curve: Curve, points: list[Point]) -> Html:
    title = tag("title", f"{curve.name}: {curve.series.label}")
    if len(points) == 1:
        x, y = points[0]
        return tag("circle", title, cx=frame.x(x), cy=frame.y(y), r=4.0, class_=f"dot {curve.kind}")
    return tag("g", title, draw_line(frame, points, curve.kind))
