"""Best and worst answers side by side: what tuning gained and lost, in the models' words."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.evaluate.log import is_tested
from assay.release import wording
from assay.release.measured import ARM_LABELS, ARMS
from assay.release.report.html import Html, clip, join, tag
from assay.release.report.marks import arm_key
from assay.release.report.source import ReportSource
from assay.runs.values import dig, mapping, number, sequence, text

_NUM_SHOWN = 4
_NUM_CHOICES = 4
_MAX_CHARS = 1500


@dataclass(frozen=True)
class Choice:
    """One answer of a fixed list: whether it is right or wanted, and its share by arm.

    Shares are of the probability of all choices together.
    """

    text: str
    is_gold: bool
    shares: dict[str, float]


@dataclass(frozen=True)
class ShownItem:
    """One task item: outputs and scores by arm, only those that were measured.

    `perplexities` are by arm too, of an item that was not asked but whose reference was scored, and
    so are the shares of `choices` that were weighed by their probability.
    """

    id: str
    messages: list[dict[str, Any]]
    reference: Any
    outputs: dict[str, str]
    scores: dict[str, float]
    perplexities: dict[str, float]
    choices: tuple[Choice, ...] = ()

    @property
    def gain(self) -> float:
        """Tuned minus base; a base that was not scored counts as 0."""
        return self.scores.get("tuned", 0.0) - self.scores.get("base", 0.0)


def render_items(source: ReportSource) -> Html:
    """Up to four items that gained most and four that lost or failed most."""
    names = {suite.name for suite in source.suites if suite.kind == "task"} or {"task"}
    tested = [row for row in source.items if is_tested(row)]
    items = read_items([row for row in tested if row.get("suite", "task") in names])
    if not items:
        return tag("p", "No item was measured.", class_="missing")
    best, worst = pick_items(items)
    worst_rows = (
        render_cards(worst) if worst else tag("p", "None: every scored item was answered right.")
    )
    return join(
        [
            tag("p", _tally(items), class_="intro"),
            tag("h3", "Where tuning gained most"),
            render_cards(best)
            if best
            else tag("p", "Nowhere: no item scored higher than with the base."),
            tag("h3", "Where tuning lost or failed"),
            worst_rows,
        ]
    )


def read_items(rows: list[dict[str, Any]]) -> list[ShownItem]:
    """Read the lines of items.jsonl that have a score of the tuned model."""
    items = [_read_item(row) for row in rows]
    return [item for item in items if "tuned" in item.scores]


def pick_items(items: list[ShownItem]) -> tuple[list[ShownItem], list[ShownItem]]:
    """Choose (best, worst): by gain, then by score; ties stay in the order of the file."""
    gained = [item for item in items if item.gain > 0]
    failed = [item for item in items if item.scores["tuned"] < 1.0 and item.gain <= 0]
    best = sorted(gained, key=lambda item: (-item.gain, -item.scores["tuned"]))
    worst = sorted(failed, key=lambda item: (item.gain, item.scores["tuned"]))
    return best[:_NUM_SHOWN], worst[:_NUM_SHOWN]


def _read_item(row: dict[str, Any]) -> ShownItem:
    scores = {arm: _score(dig(row, arm, "score")) for arm in ARMS}
    perplexities = {arm: number(dig(row, arm, "score", "detail", "perplexity")) for arm in ARMS}
    return ShownItem(
        id=text(row.get("id")),
        messages=[mapping(message) for message in sequence(row.get("messages"))],
        reference=row.get("reference"),
        outputs={arm: text(dig(row, arm, "output")) for arm in ARMS if row.get(arm) is not None},
        scores={arm: score for arm, score in scores.items() if score is not None},
        perplexities={arm: found for arm, found in perplexities.items() if found is not None},
        choices=_read_choices(row),
    )


def _read_choices(row: dict[str, Any]) -> tuple[Choice, ...]:
    texts, golds = sequence(row.get("choices")), sequence(row.get("golds"))
    shares = {
        arm: _compute_shares([number(one) for one in found])
        for arm in ARMS
        if len(found := sequence(dig(row, arm, "score", "detail", "logprobs"))) == len(texts)
    }
    return tuple(
        Choice(text(one), index in golds, {arm: own[index] for arm, own in shares.items() if own})
        for index, one in enumerate(texts)
    )


def _compute_shares(logprobs: list[float | None]) -> list[float]:
    """Each choice's part of the probability of all; nothing where one is not known."""
    known = [one for one in logprobs if one is not None]
    if not known or len(known) < len(logprobs):
        return []
    weights = [math.exp(one - max(known)) for one in known]
    return [weight / sum(weights) for weight in weights]


def _score(value: Any) -> float | None:
    return number(value.get("value")) if isinstance(value, dict) else number(value)


def _tally(items: list[ShownItem]) -> str:
    gained = sum(item.gain > 0 for item in items)
    lost = sum(item.gain < 0 for item in items)
    return (
        f"Of {len(items):,} task items, {gained:,} score higher than with the base, "
        f"{lost:,} lower, and {len(items) - gained - lost:,} the same."
    )


def render_cards(items: list[ShownItem], *, arms: Sequence[str] = ARMS) -> Html:
    """Each item with what was asked, what each model of `arms` answered, and the reference."""
    return tag("div", join(_card(item, arms) for item in items), class_="items")


def _card(item: ShownItem, arms: Sequence[str]) -> Html:
    asked = [message for message in item.messages if message.get("role") != "system"]
    system = [message for message in item.messages if message.get("role") == "system"]
    prompt = join(_message(message) for message in asked[-3:])
    golds = [choice.text for choice in item.choices if choice.is_gold]
    reference = "\n".join(golds) if golds else item.reference
    return tag(
        "article",
        tag("header", tag("code", item.id), tag("span", _change(item), class_="change")),
        tag("div", _system(system), prompt, class_="prompt"),
        tag("div", join(_output(item, arm) for arm in arms), class_=f"outputs of-{len(arms)}"),
        tag("div", tag("span", "Reference"), tag("pre", _said(reference)), class_="reference")
        if reference is not None
        else None,
    )


def _change(item: ShownItem) -> str:
    return f"{wording.points(item.gain)} points" if item.gain else "no change"


def _system(messages: list[dict[str, Any]]) -> Html | None:
    if not messages:
        return None
    content = "\n".join(text(message.get("content")) for message in messages)
    return tag(
        "details", tag("summary", "System prompt"), tag("pre", clip(content, max_chars=_MAX_CHARS))
    )


def _message(message: dict[str, Any]) -> Html:
    role = text(message.get("role"))
    return tag(
        "div", tag("span", role, class_="role"), tag("pre", _said(message)), class_="message"
    )


def _output(item: ShownItem, arm: str) -> Html:
    score = item.scores.get(arm)
    tone = "" if score is None else "right" if score >= 1 else "wrong" if score <= 0 else "partly"
    told = wording.percent(score) if score is not None else "unscored"
    perplexity = item.perplexities.get(arm)
    if perplexity is not None:
        told = f"perplexity {wording.plain(perplexity)}"
    chip = tag("span", told, class_=f"chip {tone}")
    output = item.outputs.get(arm)
    if perplexity is not None:
        body = tag("p", "(not asked: the reference was scored)", class_="missing")
    elif item.choices:
        body = _preferred(item, arm)
    elif output is None:
        body = tag("p", wording.NOT_MEASURED, class_="missing")
    elif not output.strip():
        body = tag("p", "(empty answer)", class_="missing")
    else:
        body = tag("pre", clip(output, max_chars=_MAX_CHARS))
    heading = tag("h4", arm_key(arm), chip)
    return tag("div", heading, body, class_=f"output {arm}", aria_label=ARM_LABELS[arm])


def _preferred(item: ShownItem, arm: str) -> Html:
    """The choices with their shares, the likeliest first; nothing was written here."""
    known = [one for one in item.choices if arm in one.shares]
    if not known:
        return tag("p", wording.NOT_MEASURED, class_="missing")
    ordered = sorted(known, key=lambda one: -one.shares[arm])[:_NUM_CHOICES]
    rows = [
        tag(
            "li",
            tag("b", wording.percent(one.shares[arm])),
            Html(" "),
            tag("span", clip(one.text, max_chars=_MAX_CHARS), class_="gold" if one.is_gold else ""),
        )
        for one in ordered
    ]
    return tag("ul", join(rows), class_="choices")


def _said(value: Any) -> str:
    if not isinstance(value, dict):
        return clip(text(value), max_chars=_MAX_CHARS)
    calls = [mapping(mapping(call).get("function")) for call in sequence(value.get("tool_calls"))]
    lines = [text(value.get("content"))]
    lines += [f"{text(call.get('name'))}({_arguments(call.get('arguments'))})" for call in calls]
    shown = "\n".join(line for line in lines if line)
    return clip(shown or json.dumps(value, ensure_ascii=False), max_chars=_MAX_CHARS)


def _arguments(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
