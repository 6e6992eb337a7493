"""Numbers and verdicts in words, the same in report, card and terminal; knows no HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.release.gates import Gate, blocking_gates
from assay.release.measured import Gain, Measured, Suite
from assay.runs.values import dig, mapping, number

NOT_MEASURED = "not measured"
VALIDATION_NOTE = (
    "Prompt and checkpoint were chosen on the validation rows, so only the test rows confirm them."
)
KIND_LABELS = {
    "task": "held-out items",
    "retention": "general skills kept",
    "refusal": "harmful requests refused",
    "over_refusal": "harmless requests answered",
    "character": "character kept",
    "honesty": "honest answers",
    "fairness": "fair answers",
    "tools": "tools used rightly",
}
STATUS_LABELS = {
    "released": "Released",
    "held": "Held",
    "overridden": "Released by override",
    "": "No verdict",
}


def percent(ratio: float | None) -> str:
    """Print a ratio in [0, 1] as a percentage with one digit."""
    return "–" if ratio is None else f"{100 * ratio:.1f}\u202f%"


def percent_level(confidence: float) -> str:
    """Print a confidence level: 0.95 is ``95 %``."""
    return f"{100 * confidence:g}\u202f%"


def points(difference: float | None) -> str:
    """Print a difference of two ratios in percentage points, with its sign."""
    if difference is None:
        return "–"
    return f"{100 * difference:+.1f}".replace("-", "−")


def measured(value: Measured | None) -> str:
    """Print a mean with its interval; of metric perplexity the perplexity with its own."""
    if value is None:
        return NOT_MEASURED
    ends = interval(value).replace(" – ", ", ")
    return f"{figure(value)} [{ends}]" if ends else figure(value)


def figure(value: Measured) -> str:
    """Print a mean, or a perplexity, without its interval."""
    if value.is_perplexity:
        return f"perplexity {plain(value.perplexity)}"
    return percent(value.mean)


def interval(value: Measured) -> str:
    """Print the interval of `figure`; nothing where there is none."""
    if value.is_perplexity:
        low, high = value.perplexity_low, value.perplexity_high
        return "" if low is None or high is None else f"{plain(low)} – {plain(high)}"
    if value.low is None or value.high is None:
        return ""
    return f"{100 * value.low:.1f} – {100 * value.high:.1f}"


def gain(value: Gain | None) -> str:
    """Print a difference in points (of its unit) with its interval."""
    if value is None:
        return NOT_MEASURED
    if value.low is None or value.high is None:
        return f"{points(value.difference)} {value.unit}"
    return f"{points(value.difference)} {value.unit} [{points(value.low)}, {points(value.high)}]"


def items(suite: Suite) -> str:
    """Print how many items a suite has, and how many groups they are of where they share some."""
    if suite.n is None:
        return ""
    count = f"{suite.n:,} item{'' if suite.n == 1 else 's'}"
    if not suite.has_groups:
        return count
    return f"{count} in {suite.num_groups:,} group{'' if suite.num_groups == 1 else 's'}"


def plain(value: float | None) -> str:
    """Print any number with at most four significant digits."""
    if value is None:
        return "–"
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}".replace("-", "−")
    return f"{value:.4g}".replace("-", "−")


def duration(seconds: float | None) -> str:
    """Print seconds as hours, minutes and seconds."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(num_bytes: float | None) -> str:
    """Print bytes in binary units."""
    if num_bytes is None:
        return "–"
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if num_bytes < 1024 or unit == "GiB":
            break
        num_bytes /= 1024
    return f"{num_bytes:.0f} {unit}" if unit == "bytes" else f"{num_bytes:.1f} {unit}"


def chance(p_value: float) -> str:
    """Print a p-value; below one in a thousand only that."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def gate_title(name: str) -> str:
    """Print a gate's name as words."""
    return name.replace("_", " ").replace("/", " · ")


def prompting_warning(task: Suite | None, *, headline: str) -> str:
    """The first line of a report whose tuning is not shown to beat prompting; else nothing.

    Nothing either when the verdict's `headline` speaks of prompting itself.
    """
    if "prompting" in headline:
        return ""
    if task is None or "tuned" not in task.arms:
        return "The task was not measured: nothing is known about what tuning gained."
    if task.vs_prompted is None:
        return "Tuned was not compared with prompting: a good prompt alone might do as well."
    if task.vs_prompted.is_clear:
        return ""
    return (
        "Fine-tuning is not shown to beat prompting: tuned minus the best prompt of the base is "
        f"{gain(task.vs_prompted)}."
    )


def best_of(evaluation: Mapping[str, Any]) -> str:
    """The best of several samples of the base beside both models' single answers, or nothing."""
    told = mapping(evaluation.get("best_of"))
    if number(dig(told, "best", "mean")) is None:
        return ""

    def show(name: str) -> str:
        mean, low, high = (number(dig(told, name, key)) for key in ("mean", "low", "high"))
        ends = "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"
        return NOT_MEASURED if mean is None else f"{mean:.2f}{ends}"

    return (
        f"Best of {plain(told.get('n'))} samples of the base, as the grader chooses: reward"
        f" {show('best')} on {plain(dig(told, 'best', 'n'))} test prompts; a sample of it is worth"
        f" {show('sampled')}, its one greedy answer {show('base')}, that of the tuned model"
        f" {show('tuned')}."
    )


def verdict_sentence(status: str, headline: str, gates: list[Gate]) -> str:
    """Why, without the status itself: the verdict's own headline, or one made from its gates."""
    told = headline.removeprefix("Held: ").removeprefix("Released: ")
    if told:
        return told[0].upper() + told[1:]
    if not status:
        return "This run has not been gated yet."
    blocking = blocking_gates(gates)
    if not blocking:
        return "Every required gate passed."
    names = ", ".join(gate_title(gate.name) for gate in blocking)
    word = "gate" if len(blocking) == 1 else "gates"
    return f"{len(blocking)} required {word} did not pass: {names}."
