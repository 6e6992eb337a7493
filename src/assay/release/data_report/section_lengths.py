"""How long rows are: what is read and what is trained, in characters and in tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence

from assay.data.curate.survey import Survey
from assay.data.mask import compute_percentiles
from assay.release.report.charts import nice_ticks
from assay.release.report.html import Html, join, tag
from assay.release.wording import plain

_WIDTH, _HEIGHT = 480.0, 170.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 8.0, 10.0, 26.0
_NUM_BINS = 30
_WIDE = 30
"""Lengths whose largest is so many times their smallest are drawn on a logarithmic axis."""
_TITLES = {
    "prompt": ("Read", "characters of a row that are only read", "read"),
    "answer": ("Trained", "characters of a row that are trained", "trained"),
    "tokens": ("Tokens", "tokens of a row", "read"),
    "trained": ("Trained tokens", "tokens of a row that are trained", "trained"),
}


def render_lengths(survey: Survey) -> Html | None:
    """A histogram for each kind of length; nothing without a training row."""
    if not survey.num_training:
        return None
    figures = join(_figure(name, values) for name, values in survey.lengths.items() if len(values))
    told = f"Of {plain(survey.num_training)} training rows that can be read"
    drawn = len(survey.lengths.get("tokens", ()))
    if drawn:
        few = drawn < survey.num_training
        told += f"; tokens are of {plain(drawn)} rows{' drawn by seed' if few else ''}"
    elif "tokens" not in survey.lengths:
        told += "; tokens are not measured: no base was named (--base)"
    return join([tag("p", f"{told}.", class_="intro"), tag("div", figures, class_="histograms")])


def _figure(name: str, values: Sequence[int]) -> Html:
    title, told, kind = _TITLES[name]
    spread = compute_percentiles(values)
    shown = ", ".join(f"{key} {plain(value)}" for key, value in spread.items())
    return tag(
        "figure",
        tag("figcaption", title, tag("span", told, class_="curve-keys")),
        _draw(values, kind, f"{title}: {shown}"),
        tag("p", f"{shown}; logarithmic scale" if _is_wide(values) else shown, class_="caption"),
        class_="histogram",
    )


def cut_bins(values: Sequence[int], *, most: int = _NUM_BINS) -> list[tuple[int, int, int]]:
    """Bins `(first, last, count)` of whole numbers, both ends included, without gaps.

    They are equally wide, or equally wide in the logarithm where the values span a wide range.
    """
    low, high = min(values), max(values)
    if _is_wide(values):
        edges = _log_edges(low, high, most)
    else:
        width = max(math.ceil((high - low + 1) / most), 1)
        edges = list(range(low, high + 1, width))
    lasts = [edge - 1 for edge in edges[1:]] + [max(high, edges[-1])]
    counts = [0] * len(edges)
    for value in values:
        counts[_find_bin(edges, value)] += 1
    return list(zip(edges, lasts, counts, strict=True))


def _is_wide(values: Sequence[int]) -> bool:
    return max(values) > _WIDE * max(min(values), 1)


def _log_edges(low: int, high: int, most: int) -> list[int]:
    ratio = ((high + 1) / max(low, 1)) ** (1 / most)
    edges = [low] if low else [0, 1]
    for step in range(1, most):
        edge = round(max(low, 1) * ratio**step)
        if edge > edges[-1]:
            edges.append(edge)
    return edges


def _find_bin(edges: Sequence[int], value: int) -> int:
    from bisect import bisect_right

    return bisect_right(edges, value) - 1


def _draw(values: Sequence[int], kind: str, told: str) -> Html:
    bins = cut_bins(values)
    top = max(count for *_, count in bins)
    ticks = [tick for tick in nice_ticks(0, top, about=3) if tick == int(tick)]
    most = max(ticks[-1], top)
    room = (_WIDTH - _LEFT - _RIGHT) / len(bins)
    height = _HEIGHT - _TOP - _BOTTOM
    bars = []
    for place, (first, last, count) in enumerate(bins):
        tall = height * count / most
        label = f"{plain(first)} to {plain(last)}: {plain(count)} rows"
        bar = tag(
            "rect",
            tag("title", label),
            x=_LEFT + place * room + 0.5,
            y=_HEIGHT - _BOTTOM - max(tall, 1.0 if count else 0.0),
            width=max(room - 1, 0.5),
            height=max(tall, 1.0 if count else 0.0),
            class_=f"bar-{kind}",
        )
        bars.append(bar if count else None)
    return tag(
        "svg",
        tag("title", told),
        join(_grid(tick, _HEIGHT - _BOTTOM - height * tick / most) for tick in ticks),
        join(bars),
        join(_marks(bins, room)),
        viewbox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        class_="chart histogram",
        role="img",
        aria_label=told,
    )


def _grid(tick: float, y: float) -> Html:
    line = tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid")
    return join([line, tag("text", plain(tick), x=_LEFT - 6, y=y + 4, text_anchor="end")])


def _marks(bins: Sequence[tuple[int, int, int]], room: float) -> list[Html]:
    """The first length of about every sixth bin."""
    step = max(math.ceil(len(bins) / 6), 1)
    return [
        tag("text", plain(first), x=_LEFT + place * room, y=_HEIGHT - 8, text_anchor="start")
        for place, (first, *_) in enumerate(bins)
        if place % step == 0
    ]
