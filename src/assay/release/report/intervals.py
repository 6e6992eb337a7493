"""Dots with whiskers: means and differences with their intervals, as small drawings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from assay.release import wording
from assay.release.measured import ARM_LABELS, ARMS, Gain, Measured
from assay.release.report.html import Html, join, tag
from assay.release.report.marks import arm_mark

_PAD = 8.0
_ROW = 20.0
_HEIGHT = _ROW * len(ARMS)
_TICKS_HEIGHT = 14.0


@dataclass(frozen=True)
class Axis:
    """Values low…high across `width` drawing units; values outside are drawn at its ends."""

    low: float
    high: float
    width: float

    def x(self, value: float) -> float:
        """Place a value."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return _PAD + share * (self.width - 2 * _PAD)


MEANS = Axis(0.0, 1.0, 220.0)


def gain_axis(gains: list[Gain | None]) -> Axis:
    """An axis about zero that holds all gains: a round reach from 10 to 100 points."""
    ends = [
        abs(end)
        for gain in gains
        if gain is not None
        for end in (gain.difference, gain.low, gain.high)
        if end is not None
    ]
    most = max(ends, default=0.0)
    reach = next((reach for reach in (0.1, 0.2, 0.3, 0.5, 0.75) if most <= reach), 1.0)
    return Axis(-reach, reach, 170.0)


def plot_means(arms: Mapping[str, Measured]) -> Html:
    """One row for each arm on a scale from 0 to 100 %."""
    rows = [_row(arm, arms.get(arm), y=_ROW * (index + 0.5)) for index, arm in enumerate(ARMS)]
    grid = [_vertical(MEANS, at, "axis" if at in (0, 1) else "grid") for at in _QUARTERS]
    told = "; ".join(f"{ARM_LABELS[arm]} {wording.measured(arms.get(arm))}" for arm in ARMS)
    return _drawing(MEANS, join([*grid, *rows]), told)


def means_ticks() -> Html:
    """The scale that stands above a column of `plot_means`."""
    return _ticks(MEANS, ("0", "50", "100\u202f%"))


def plot_gain(gain: Gain | None, *, axis: Axis) -> Html:
    """A paired difference about zero."""
    frame = [_vertical(axis, axis.low, "grid"), _vertical(axis, axis.high, "grid")]
    frame.append(_vertical(axis, 0.0, "axis"))
    if gain is not None:
        frame.append(_whisker(axis, gain.low, gain.high, _HEIGHT / 2, "tuned"))
        frame.append(arm_mark("tuned", x=axis.x(gain.difference), y=_HEIGHT / 2))
    return _drawing(axis, join(frame), wording.gain(gain))


def gain_ticks(axis: Axis) -> Html:
    """The scale that stands above a column of `plot_gain`."""
    return _ticks(axis, (f"−{100 * axis.high:.0f}", "0", f"+{100 * axis.high:.0f}"))


_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


def _row(arm: str, value: Measured | None, *, y: float) -> Html:
    if value is None:
        return tag("text", wording.NOT_MEASURED, x=_PAD + 4, y=y + 4, class_="missing")
    mark = arm_mark(arm, x=MEANS.x(value.mean), y=y)
    return join([_whisker(MEANS, value.low, value.high, y, arm), mark])


def _whisker(axis: Axis, low: float | None, high: float | None, y: float, arm: str) -> Html:
    if low is None or high is None:
        return Html("")
    start, end = axis.x(low), axis.x(high)
    bar = f"M{start:.1f} {y:.1f} H{end:.1f} M{start:.1f} {y - 3:.1f} v6 M{end:.1f} {y - 3:.1f} v6"
    return tag("path", d=bar, class_=f"whisker {arm}")


def _vertical(axis: Axis, at: float, kind: str) -> Html:
    return tag("line", x1=axis.x(at), x2=axis.x(at), y1=0.0, y2=_HEIGHT, class_=kind)


def _ticks(axis: Axis, labels: tuple[str, str, str]) -> Html:
    places = (axis.low, (axis.low + axis.high) / 2, axis.high)
    ticks = join(
        tag("text", label, x=axis.x(at), y=10.0, text_anchor="middle")
        for at, label in zip(places, labels, strict=True)
    )
    told = f"scale from {labels[0]} to {labels[2]}"
    return _drawing(axis, ticks, told, height=_TICKS_HEIGHT, kind="dots scale")


def _drawing(
    axis: Axis, content: Html, told: str, *, height: float = _HEIGHT, kind: str = "dots"
) -> Html:
    return tag(
        "svg",
        tag("title", told),
        content,
        viewbox=f"0 0 {axis.width:.0f} {height:.0f}",
        width=axis.width,
        height=height,
        class_=kind,
        role="img",
        aria_label=told,
    )
