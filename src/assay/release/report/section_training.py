"""The curves of training over steps: losses, the learning rate, and drift where it was watched."""

from __future__ import annotations

from assay.release.report.charts import (
    DRIFT,
    REWARDS,
    Series,
    render_chart,
    step_window,
    training_series,
)
from assay.release.report.html import Html, join, tag
from assay.release.report.source import ReportSource
from assay.release.wording import plain
from assay.runs.values import dig, number

_HEIGHTS = {"loss": 300.0}
_SMALL = 110.0
_TITLES = {
    "loss": "Loss per trained token",
    "rate": "Learning rate",
    **{name: title for name, (title, _) in REWARDS.items()},
    **DRIFT,
}


def render_training(source: ReportSource) -> Html:
    """Charts with one readout for all of them, and the last numbers in words."""
    charts = training_series(source.metrics)
    if not charts:
        return tag("p", "No training step was measured.", class_="missing")
    best = number(dig(source.evaluation, "train", "best_step"))
    steps = step_window(charts)
    titles = _TITLES | ({"loss": "Loss per pair or answer"} if "order" in charts else {})
    if "reward" in charts:
        titles["loss"] = "Loss of the policy; on held-out prompts 1 less the mean reward"
    drawn = join(
        tag(
            "figure",
            tag("figcaption", titles[name], _legend(series)),
            render_chart(
                name,
                series,
                height=_HEIGHTS.get(name, _SMALL),
                steps=steps,
                best=best if name == "loss" else None,
            ),
        )
        for name, series in charts.items()
    )
    readout = tag("output", _ending(charts), class_="readout", aria_live="off")
    return join([tag("p", _summary(source), class_="intro"), readout, drawn])


def _legend(series: list[Series]) -> Html:
    keys = (
        tag(
            "span",
            tag(
                "svg",
                tag("line", x1=0.0, x2=18.0, y1=6.0, y2=6.0, class_=f"curve {one.kind}"),
                viewbox="0 0 18 12",
                aria_hidden="true",
            ),
            one.label,
            class_="curve-key",
        )
        for one in series
    )
    return tag("span", join(keys), class_="curve-keys") if len(series) > 1 else Html("")


def _ending(charts: dict[str, list[Series]]) -> str:
    ends = [f"{one.label} {plain(one.points[-1][1])}" for many in charts.values() for one in many]
    return "At the end: " + " · ".join(ends)


def _summary(source: ReportSource) -> str:
    values = {
        "train loss": number(dig(source.evaluation, "train", "loss_train")),
        "validation loss": number(dig(source.evaluation, "train", "loss_validation")),
    }
    step = number(dig(source.evaluation, "train", "best_step"))
    epoch = number(dig(source.evaluation, "train", "best_epoch"))
    parts = [f"{name} {plain(value)}" for name, value in values.items() if value is not None]
    if step is None:
        return "; ".join(parts).capitalize()
    drifted = dig(source.evaluation, "train", "drifted")
    kept = f"Training ended because of drift ({drifted}). " if drifted else ""
    kept += f"Kept: the checkpoint of step {plain(step)}"
    kept += f" (epoch {plain(epoch)})" if epoch is not None else ""
    return f"{kept}, {', '.join(parts)}." if parts else f"{kept}."
