"""Dots with whiskers: means and differences with their intervals, as small drawings."""

from __future__ import annotations

from collections.abc import Mapping

from assay.release import wording
from assay.release.measured import ARM_LABELS, ARMS, Gain, Measured
from assay.release.report.html import Html, join, tag
from assay.release.report.marks import arm_mark

_MEANS_WIDTH = 220.0
_GAIN_WIDTH = 170.0
_PAD = 8.0
_ROW = 20.0
_GAIN_ROW = 60.0


def plot_means(arms: Mapping[str, Measured]) -> Html:
    """One row for each arm on a scale from 0 to 100 %."""
    rows = [_row(arm, arms.get(arm), y=_ROW * (index + 0.5)) for index, arm in enumerate(ARMS)]
    height = _ROW * len(ARMS)
    grid = join(
        _vertical(_scale(at, 0, 1), height, "axis" if at in (0, 1) else "grid")
        for at in (0, 0.25, 0.5, 0.75, 1)
    )
    told = "; ".join(f"{ARM_LABELS[arm]} {wording.measured(arms.get(arm))}" for arm in ARMS)
    return _drawing(join([grid, *rows]), height, told)


def means_axis() -> Html:
    """The scale that stands above a column of `plot_means`."""
    ticks = join(
        tag("text", label, x=_scale(at, 0, 1), y=10.0, text_anchor=anchor)
        for at, label, anchor in ((0, "0", "start"), (0.5, "50", "middle"), (1, "100 %", "end"))
    )
    return _drawing(ticks, 14, "scale from 0 to 100 percent", kind="dots scale")


def plot_gain(gain: Gain | None, *, reach: float) -> Html:
    """A paired difference about zero, on a scale from -reach to +reach."""
    zero = _vertical(_scale(0, -reach, reach), _GAIN_ROW, "axis")
    ends = join(_vertical(_scale(end, -reach, reach), _GAIN_ROW, "grid") for end in (-reach, reach))
    frame = join([ends, zero])
    if gain is None:
        return _drawing(frame, _GAIN_ROW, wording.NOT_MEASURED)
    low, high = gain.low, gain.high
    whisker = (
        _whisker(_scale(low, -reach, reach), _scale(high, -reach, reach), _GAIN_ROW / 2, "tuned")
        if low is not None and high is not None
        else None
    )
    dot = arm_mark("tuned", x=_scale(gain.difference, -reach, reach), y=_GAIN_ROW / 2)
    return _drawing(join([frame, whisker, dot]), _GAIN_ROW, wording.gain(gain))


def gain_axis(reach: float) -> Html:
    """The scale that stands above a column of `plot_gain`."""
    side = f"{100 * reach:.0f}"
    ticks = join(
        tag("text", label, x=_scale(at, -reach, reach), y=10.0, text_anchor=anchor)
        for at, label, anchor in (
            (-reach, f"−{side}", "start"),
            (0.0, "0", "middle"),
            (reach, f"+{side}", "end"),
        )
    )
    return _drawing(ticks, 14, f"scale of ±{side} points", kind="dots scale")


def gain_reach(gains: list[Gain | None]) -> float:
    """The half width of a scale that holds all gains: a round ratio from 0.1 to 1."""
    ends = [
        abs(end)
        for gain in gains
        if gain is not None
        for end in (gain.difference, gain.low, gain.high)
        if end is not None
    ]
    most = max(ends, default=0.0)
    return next((reach for reach in (0.1, 0.25, 0.5) if most <= reach), 1.0)


def _row(arm: str, value: Measured | None, *, y: float) -> Html | None:
    if value is None:
        return tag("text", wording.NOT_MEASURED, x=_PAD + 2, y=y + 4, class_="missing")
    whisker = None
    if value.low is not None and value.high is not None:
        whisker = _whisker(_scale(value.low, 0, 1), _scale(value.high, 0, 1), y, arm)
    return join([whisker, arm_mark(arm, x=_scale(value.mean, 0, 1), y=y)])


def _whisker(start: float, end: float, y: float, arm: str) -> Html:
    bar = f"M{start:.1f} {y:.1f} H{end:.1f} M{start:.1f} {y - 3:.1f} v6 M{end:.1f} {y - 3:.1f} v6"
    return tag("path", d=bar, class_=f"whisker {arm}")


def _scale(value: float, low: float, high: float) -> float:
    share = (min(max(value, low), high) - low) / (high - low)
    return _PAD + share * (_WIDTH - 2 * _PAD)


def _vertical(x: float, height: float, kind: str) -> Html:
    return tag("line", x1=x, x2=x, y1=0.0, y2=height, class_=kind)


def _drawing(content: Html, height: float, told: str, *, kind: str = "dots") -> Html:
    return tag(
        "svg",
        tag("title", told),
        content,
        viewbox=f"0 0 {_WIDTH:.0f} {height:.0f}",
        class_=kind,
        role="img",
        aria_label=told,
    )
