"""The first screen: released or held, why, and the four numbers that matter."""

from __future__ import annotations

from assay.release import wording
from assay.release.gates import blocking_gates
from assay.release.keys import format_fingerprint
from assay.release.measured import Gain
from assay.release.report.html import Html, join, tag
from assay.release.report.marks import outcome_badge, stamp
from assay.release.report.source import ReportSource
from assay.runs.values import dig, number, text


def render_verdict(source: ReportSource) -> Html:
    """Say released or held, the reason in one sentence, and which gates did not pass."""
    status = source.status
    sentence = wording.verdict_sentence(
        text(source.verdict.get("status")), source.headline, source.gates
    )
    words = tag(
        "div",
        _notice(source),
        tag("p", "Verdict", class_="over"),
        tag("h1", wording.STATUS_LABELS.get(status, status)),
        tag("p", sentence, class_="headline"),
        _blocking(source),
        _overrides(source),
        _subject(source),
        class_="words",
    )
    return join([tag("div", words, stamp(status), class_="verdict"), _facts(source)])


def _notice(source: ReportSource) -> Html | None:
    warning = wording.prompting_warning(source.task, headline=source.headline)
    return tag("p", warning, class_="notice") if warning and source.verdict else None


def _subject(source: ReportSource) -> Html:
    shown = [
        tag("strong", source.name),
        Html(f"run {source.run.id}"),
        tag("span", f"tuned from {source.base}") if source.base else None,
        tag("time", source.created.replace("T", " ").replace("+00:00", " UTC"))
        if source.created
        else None,
        tag("span", "signer ", tag("code", format_fingerprint(source.signer)[:19] + " …"))
        if source.signer
        else None,
    ]
    return tag("p", join((part for part in shown if part), between=" · "), class_="subject")


def _blocking(source: ReportSource) -> Html | None:
    gates = sorted(blocking_gates(source.gates), key=lambda gate: gate.outcome != "fail")
    if not gates:
        return None
    rows = join(
        tag(
            "li",
            outcome_badge(gate.outcome),
            tag("a", wording.gate_title(gate.name), href="#gates"),
            tag("span", gate.reason),
        )
        for gate in gates
    )
    return tag("ul", rows, class_="blocking")


def _overrides(source: ReportSource) -> Html | None:
    if not source.overrides:
        return None
    rows = join(
        tag(
            "li",
            tag("q", text(entry.get("reason"))),
            Html(" "),
            tag("small", text(entry.get("created"))),
        )
        for entry in source.overrides
    )
    return tag(
        "div",
        tag("p", "Released although held. The reason given:"),
        tag("ul", rows),
        class_="override",
    )


def _facts(source: ReportSource) -> Html:
    task = source.task
    tuned = task.arms.get("tuned") if task else None
    level = wording.percent_level(source.confidence)
    return tag(
        "dl",
        _gain_fact("Gain over the base", task.vs_base if task else None, level),
        _gain_fact("Gain over prompting", task.vs_prompted if task else None, level),
        _fact(
            "Tuned on the task",
            wording.figure(tuned) if tuned else wording.NOT_MEASURED,
            _task_note(source),
        ),
        _fact("Training", *_training_fact(source)),
        class_="facts",
    )


def _gain_fact(title: str, gain: Gain | None, level: str) -> Html:
    if gain is None:
        return _fact(title, wording.NOT_MEASURED, "")
    interval = (
        f"{level} interval {wording.points(gain.low)} to {wording.points(gain.high)}"
        if gain.low is not None
        else "no interval"
    )
    tone = "good" if gain.is_clear else "flat"
    return _fact(title, f"{wording.points(gain.difference)}", interval, unit=gain.unit, tone=tone)


def _fact(title: str, value: str, note: str, *, unit: str = "", tone: str = "") -> Html:
    missing = " missing" if value == wording.NOT_MEASURED else ""
    shown = tag(
        "dd", value, tag("small", f" {unit}") if unit else None, class_=f"value {tone}{missing}"
    )
    return tag("div", tag("dt", title), shown, tag("dd", note, class_="note"))


def _task_note(source: ReportSource) -> str:
    task = source.task
    if task is None:
        return ""
    facts = (task.metric.replace("_", " "), wording.items(task))
    return ", ".join(fact for fact in facts if fact)


def _training_fact(source: ReportSource) -> tuple[str, str]:
    steps = [number(row.get("step")) for row in source.metrics if "train/loss" in row]
    seconds = number(dig(source.manifest, "timing", "total_s"))
    if not steps or steps[-1] is None:
        return wording.NOT_MEASURED, ""
    method = text(dig(source.recipe, "method", "type")) or text(source.recipe.get("method"))
    rank = dig(source.recipe, "method", "rank")
    how = f"{method} rank {rank}" if rank else method
    note = ", ".join(part for part in (how, wording.duration(seconds) if seconds else "") if part)
    return f"{steps[-1]:,.0f} steps", note
