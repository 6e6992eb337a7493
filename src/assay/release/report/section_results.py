"""Base, prompted and tuned side by side on every suite, and on every class of the task."""

from __future__ import annotations

from assay.release import wording
from assay.release.measured import (
    ARM_LABELS,
    ARMS,
    ClassScore,
    Gain,
    Measured,
    Suite,
    pair_models,
    read_classes,
)
from assay.release.report.html import Html, join, tag
from assay.release.report.intervals import (
    Axis,
    gain_axis,
    gain_ticks,
    means_ticks,
    plot_gain,
    plot_means,
)
from assay.release.report.marks import arm_key, legend
from assay.release.report.source import ReportSource
from assay.runs.values import dig


def render_results(source: ReportSource) -> Html:
    """A table of suites: three means with intervals, drawn, and tuned minus base."""
    if not source.suites:
        return tag("p", "The evaluation was not measured.", class_="missing")
    axis = gain_axis([suite.vs_base for suite in source.suites])
    head = tag(
        "tr",
        tag("th", "Suite", scope="col"),
        join(tag("th", arm_key(arm), scope="col", class_="number") for arm in ARMS),
        tag("th", means_ticks(), scope="col", aria_label="Means with intervals"),
        tag("th", "Tuned − base", scope="col", class_="number"),
        tag("th", gain_ticks(axis), scope="col", aria_label="Difference with interval"),
    )
    rows = join(_row(suite, axis) for suite in source.suites)
    told = wording.best_of(source.evaluation)
    best_of = tag("p", told, class_="intro") if told else None
    return join([_intro(source), _table(head, rows, "results"), _models(source), best_of])


def _models(source: ReportSource) -> Html | None:
    """The task by prompt and split: the base with every number of shots, and tuned."""
    task = source.task
    if task is None or not task.models:
        return None
    titles = ("n", "Test rows", "n", "Validation rows")
    head = tag(
        "tr",
        tag("th", "The task", scope="col"),
        *(tag("th", title, scope="col", class_="number") for title in titles),
    )
    rows = join(
        tag(
            "tr",
            tag("th", model.title, scope="row"),
            *_split_cells(model.measured),
            *_split_cells(validation),
        )
        for model, validation in pair_models(task)
    )
    return join([tag("p", wording.VALIDATION_NOTE, class_="intro"), _table(head, rows, "models")])


def _split_cells(value: Measured | None) -> list[Html]:
    if value is None:
        return [tag("td", "–", class_="number"), _missing_cell()]
    ends = wording.interval(value)
    shown = tag("td", wording.figure(value), tag("small", ends) if ends else None, class_="number")
    return [tag("td", wording.plain(value.n), class_="number"), shown]


def _missing_cell() -> Html:
    return tag("td", wording.NOT_MEASURED, class_="number missing")


def render_classes(source: ReportSource) -> Html:
    """The table of classes of the task; nothing where the task has no classes."""
    task = source.task
    rows = read_classes(task.per_class) if task is not None else []
    if not rows:
        return Html("")
    arms = [arm for arm in ARMS if any(arm in row.f1 for row in rows)]
    detail = any(row.precision is not None for row in rows)
    head = tag(
        "tr",
        tag("th", "Class", scope="col"),
        tag("th", "Items", scope="col", class_="number"),
        join(tag("th", arm_key(arm), scope="col", class_="number") for arm in arms),
        tag("th", tag("span", "F1", class_="sr"), scope="col") if arms else None,
        join(tag("th", f"Tuned {name}", scope="col", class_="number") for name in _detail(detail)),
    )
    body = join(_class_row(row, arms, detail) for row in rows)
    return join([tag("p", "F1 of each class of the task.", class_="intro"), _table(head, body, "")])


def _intro(source: ReportSource) -> Html:
    resamples = (
        "Every model answered the same items. Whiskers are "
        f"{wording.percent_level(source.confidence)} intervals; differences are paired."
    )
    shots = next(
        (suite.arms["prompted"].shots for suite in source.suites if "prompted" in suite.arms), None
    )
    if any(suite.has_groups for suite in source.suites):
        resamples += " Where items share groups, groups were resampled whole."
    if any(suite.metric == "perplexity" for suite in source.suites):
        resamples += " Perplexity is drawn as the mean probability of a token, 1 / perplexity."
    told = f" The best prompt used {shots} examples, chosen on validation items." if shots else ""
    temperature = dig(source.evaluation, "decoding", "temperature")
    decoding = (
        f" Decoding temperature {wording.plain(temperature)}." if temperature is not None else ""
    )
    return join([tag("p", resamples + told + decoding, class_="intro"), legend()])


def _row(suite: Suite, axis: Axis) -> Html:
    kind = wording.KIND_LABELS.get(suite.kind, suite.kind)
    facts = [suite.metric.replace("_", " "), wording.items(suite)]
    name = tag(
        "th",
        tag("strong", suite.name.replace("_", " ")),
        tag("small", kind) if kind != suite.name else None,
        tag("small", " · ".join(fact for fact in facts if fact)),
        scope="row",
    )
    cells = join(_mean_cell(suite, arm) for arm in ARMS)
    return tag(
        "tr",
        name,
        cells,
        tag("td", plot_means(suite.arms), class_="plot"),
        _gain_cell(suite.vs_base),
        tag("td", plot_gain(suite.vs_base, axis=axis), class_="plot small"),
    )


def _mean_cell(suite: Suite, arm: str) -> Html:
    value = suite.arms.get(arm)
    if value is None:
        return _missing_cell()
    ends = wording.interval(value)
    of_mixed = None if value.is_perplexity else value.perplexity
    also = None if of_mixed is None else tag("small", f"perplexity {wording.plain(of_mixed)}")
    interval = tag("small", ends) if ends else None
    return tag("td", wording.figure(value), interval, also, class_=f"number {arm}")


def _gain_cell(gain: Gain | None) -> Html:
    if gain is None:
        return _missing_cell()
    interval = (
        f"{wording.points(gain.low)} to {wording.points(gain.high)}" if gain.low is not None else ""
    )
    return tag(
        "td",
        wording.points(gain.difference),
        tag("small", gain.unit) if gain.unit != "points" else None,
        tag("small", interval),
        tag("small", wording.chance(gain.p_value)) if gain.p_value is not None else None,
        class_="number",
    )


def _class_row(row: ClassScore, arms: list[str], detail: bool) -> Html:
    numbers = (tag("td", wording.percent(row.f1.get(arm)), class_=f"number {arm}") for arm in arms)
    return tag(
        "tr",
        tag("th", row.label or "(no label)", scope="row"),
        tag("td", wording.plain(row.support), class_="number"),
        join(numbers),
        tag("td", _class_bars(row, arms), class_="plot small") if arms else None,
        join(
            tag("td", wording.percent(getattr(row, name)), class_="number")
            for name in _detail(detail)
        ),
    )


def _detail(shown: bool) -> tuple[str, ...]:
    return ("precision", "recall") if shown else ()


def _class_bars(row: ClassScore, arms: list[str]) -> Html:
    bars = join(
        tag(
            "rect",
            x=0.0,
            y=3.0 + 7 * index,
            width=200 * min(max(row.f1.get(arm, 0.0), 0.0), 1.0),
            height=5.0,
            rx=2.0,
            class_=f"bar-{arm}",
        )
        for index, arm in enumerate(arms)
    )
    told = ", ".join(f"{ARM_LABELS[arm]} {wording.percent(row.f1.get(arm))}" for arm in arms)
    height = 6 + 7 * len(arms)
    return tag(
        "svg",
        tag("title", told),
        bars,
        viewbox=f"0 0 200 {height}",
        class_="bars",
        role="img",
        aria_label=told,
    )


def _table(head: Html, rows: Html, kind: str) -> Html:
    table = tag("table", tag("thead", head), tag("tbody", rows), class_=kind or None)
    return tag("div", table, class_="scroll")
