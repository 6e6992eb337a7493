"""Curves over steps as drawings, and the same numbers for the hover readout; smooths, never hides.

A noisy curve of more than `_SMOOTH_FROM` points is drawn faint, with its running mean in front.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from assay.release.report.html import Html, join, tag
from assay.release.wording import plain
from assay.runs.values import number

WIDTH = 1000.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 60.0, 20.0, 12.0, 28.0
_MAX_POINTS = 600
_SMOOTH_FROM = 60

DRIFT = {
    "drift/refusal_margin": "Refusal margin, change in nats",
    "drift/persona": "Shift towards a bad trait, share of the way",
    "drift/kl": "KL from the base on general answers, nats a token",
    "drift/extra_calls": "Extra calls, rise of their probability",
}
"""What the drift monitor writes, each in a chart of its own, since their units differ."""

REWARDS = {
    "order": (
        "Share in the right order",
        {"train/reward_accuracy": "Train", "eval/reward_accuracy": "Validation"},
    ),
    "pairs": (
        "Mean reward",
        {"train/reward_chosen": "Chosen answers", "train/reward_rejected": "Rejected answers"},
    ),
    "ratings": (
        "Mean reward",
        {"train/reward_wanted": "Wanted answers", "train/reward_unwanted": "Unwanted answers"},
    ),
    "reward": (
        "Mean reward of completions",
        {"train/reward": "Training prompts", "eval/reward": "Held-out prompts"},
    ),
    "length": (
        "Tokens of a completion",
        {"train/length": "Training prompts", "eval/length": "Held-out prompts"},
    ),
    "entropy": ("Entropy of sampling, nats a token", {"train/entropy": "Entropy"}),
    "alike": (
        "Share of prompts whose completions all have one reward",
        {"train/zero_variance": "Training prompts"},
    ),
}
"""Charts of objectives that compare whole answers, or grade the model's own: title, and the label
of each curve by name."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One curve: its name in metrics.jsonl, its label and the style class of its line."""

    key: str
    label: str
    kind: str
    points: list[Point]


@dataclass(frozen=True)
class Frame:
    """The data window of a chart: steps x0…x1, values y0…y1, height in drawing units."""

    x0: float
    x1: float
    y0: float
    y1: float
    height: float

    def x(self, step: float) -> float:
        """Place a step."""
        return _LEFT + (step - self.x0) / (self.x1 - self.x0) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Place a value."""
        share = (value - self.y0) / (self.y1 - self.y0)
        return self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM)


def read_series(metrics: list[dict[str, Any]], key: str, label: str, kind: str) -> Series:
    """Read one curve; lines without a step or a finite value are left out."""
    pairs = ((number(row.get("step")), number(row.get(key))) for row in metrics)
    return Series(key, label, kind, [(x, y) for x, y in pairs if x is not None and y is not None])


def training_series(metrics: list[dict[str, Any]]) -> dict[str, list[Series]]:
    """The curves of each chart of the report; a chart without points is left out."""
    charts = {
        "loss": [
            read_series(metrics, "train/loss", "Train loss", "train"),
            read_series(metrics, _validation_key(metrics), "Validation loss", "validation"),
        ],
        **{name: _read_rewards(metrics, curves) for name, (_, curves) in REWARDS.items()},
        "rate": [read_series(metrics, "train/learning_rate", "Learning rate", "rate")],
        **{key: [read_series(metrics, key, label, "rate")] for key, label in DRIFT.items()},
    }
    shown = {name: [one for one in series if one.points] for name, series in charts.items()}
    return {name: series for name, series in shown.items() if series}


def _read_rewards(metrics: list[dict[str, Any]], curves: dict[str, str]) -> list[Series]:
    kinds = zip(curves.items(), ("train", "validation"), strict=False)
    return [read_series(metrics, key, label, kind) for (key, label), kind in kinds]


def render_chart(
    name: str,
    series: list[Series],
    *,
    height: float,
    steps: tuple[float, float],
    best: float | None,
) -> Html:
    """Draw one chart; `steps` is the window, `best` the step of the checkpoint that was kept."""
    frame = fit_frame(series, height=height, steps=steps)
    told = ", ".join(f"{one.label} {plain(one.points[-1][1])} at the end" for one in series)
    return tag(
        "svg",
        tag("title", told),
        draw_grid(frame),
        _best(frame, best),
        join(_curve(frame, one) for one in series),
        tag("line", class_="cross", x1=0.0, x2=0.0, y1=_TOP, y2=height - _BOTTOM),
        viewbox=f"0 0 {WIDTH:.0f} {height:.0f}",
        class_="chart",
        role="img",
        aria_label=told,
        tabindex="0",
        data_chart=name,
    )


def chart_data(metrics: list[dict[str, Any]]) -> dict[str, Any]:
    """The numbers behind the charts, for the page's script."""
    charts = training_series(metrics)
    return {
        "left": _LEFT,
        "right": WIDTH - _RIGHT,
        "width": WIDTH,
        "steps": list(step_window(charts)),
        "series": [
            {"label": one.label, "kind": one.kind, "points": thin(one.points)}
            for series in charts.values()
            for one in series
        ],
    }


def step_window(charts: dict[str, list[Series]]) -> tuple[float, float]:
    """First and last step of all curves, never of no width."""
    steps = [x for series in charts.values() for one in series for x, _ in one.points]
    low, high = min(steps, default=0.0), max(steps, default=1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def thin(points: list[Point], *, most: int = _MAX_POINTS) -> list[Point]:
    """Take evenly spaced points when there are more than `most`, the last one always."""
    stride = math.ceil(len(points) / most)
    kept = points[:: max(stride, 1)]
    return kept if not points or kept[-1] == points[-1] else [*kept, points[-1]]


def smooth(points: list[Point]) -> list[Point]:
    """Average each value with its neighbours within 2 % of the curve to either side."""
    reach = max(len(points) // 50, 1)
    averaged = []
    for index, (x, _) in enumerate(points):
        near = [y for _, y in points[max(index - reach, 0) : index + reach + 1]]
        averaged.append((x, sum(near) / len(near)))
    return averaged


def nice_ticks(low: float, high: float, *, about: int = 4) -> list[float]:
    """Round values (1, 2, 2.5 or 5 times a power of ten) that span low to high."""
    raw = (high - low) / about or 1.0
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * times for times in (1, 2, 2.5, 5, 10) if power * times >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def _validation_key(metrics: list[dict[str, Any]]) -> str:
    keys = dict.fromkeys(key for row in metrics for key in row)
    found = [key for key in keys if key.startswith("eval/") and key.endswith("loss")]
    return "eval/loss" if "eval/loss" in found or not found else found[0]


def fit_frame(series: list[Series], *, height: float, steps: tuple[float, float]) -> Frame:
    """The window of all curves, its values widened to round ticks."""
    values = [y for one in series for _, y in one.points]
    low, high = min(values), max(values)
    # From zero, unless that would squeeze the curve into the upper half.
    low = 0.0 if 0 <= low < 0.6 * high else low
    ticks = nice_ticks(low, high if high > low else low + 1.0, about=_num_ticks(height))
    return Frame(*steps, ticks[0], ticks[-1], height)


def _num_ticks(height: float) -> int:
    return 2 if height < 150 else 5


def draw_grid(frame: Frame) -> Html:
    """Lines and numbers of the values, and numbers of the steps."""
    rows = []
    for value in nice_ticks(frame.y0, frame.y1, about=_num_ticks(frame.height)):
        y = frame.y(value)
        rows.append(tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
        rows.append(tag("text", plain(value), x=_LEFT - 8, y=y + 4, text_anchor="end"))
    for step in nice_ticks(frame.x0, frame.x1, about=8):
        if frame.x0 <= step <= frame.x1:
            y = frame.height - 8
            rows.append(tag("text", plain(step), x=frame.x(step), y=y, text_anchor="middle"))
    return join(rows)


def _best(frame: Frame, step: float | None) -> Html | None:
    if step is None or not frame.x0 <= step <= frame.x1:
        return None
    x = frame.x(step)
    right = x > WIDTH * 0.8
    label = tag(
        "text",
        f"kept: step {plain(step)}",
        x=x - 6 if right else x + 6,
        y=_TOP + 10,
        text_anchor="end" if right else "start",
    )
    return join([tag("line", x1=x, x2=x, y1=_TOP, y2=frame.height - _BOTTOM, class_="best"), label])


def _curve(frame: Frame, series: Series) -> Html:
    points = thin(series.points)
    if len(points) == 1:
        x, y = points[0]
        return tag("circle", cx=frame.x(x), cy=frame.y(y), r=4.0, class_=f"dot {series.kind}")
    if len(points) <= _SMOOTH_FROM or series.kind == "rate":
        dots = _dots(frame, series) if series.kind == "validation" else None
        return join([draw_line(frame, points, f"curve {series.kind}"), dots])
    faint = draw_line(frame, points, f"curve {series.kind} faint")
    return join([faint, draw_line(frame, smooth(points), f"curve {series.kind}")])


def _dots(frame: Frame, series: Series) -> Html:
    return join(
        tag("circle", cx=frame.x(x), cy=frame.y(y), r=3.5, class_=f"dot {series.kind}")
        for x, y in series.points
    )


def draw_line(frame: Frame, points: Iterable[Point], kind: str) -> Html:
    """One line through `points`; `kind` are its style classes."""
    path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
    return tag("polyline", points=path, class_=kind)
