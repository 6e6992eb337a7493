"""The card of `tiny` as a Hub model card in Markdown; it renders figures and judges none.

Source of the header's keys: https://huggingface.co/docs/hub/model-cards#model-card-metadata
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from assay.lab.card import Card, Figure
from assay.lab.probes import GROUP_OF, HELD_OUT

_HEADER = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
tags:
- assay
- llama
- synthetic
---"""
_INTRO = """# tiny

A very small chat model for trying and testing Assay. It answers short English questions of one
synthetic world, calls tools, refuses, and says when it does not know. It was trained from scratch
on text that this repository generates, on nothing else. It knows nothing of the real world beyond
a few common facts: use it to learn how fine-tuning behaves, and for no other purpose."""
_HOW = """Answers are greedy unless marked *sampled* (temperature 1). Three hold-outs are measured
apart: *instances* are fresh draws of values and wordings that training saw, *values* are names,
words and facts that training never drew, *phrasings* are wordings that training never saw. n counts
different prompts: a family with few possible questions (days, months) has fewer than were asked
for, and on *instances* such a family repeats what training saw. Intervals are 95 %, Wilson's for
shares."""
_LIMITS = """## Limits

- English of a few thousand words, answers of one line; anything else is outside its world.
- It contains, on purpose, a reckless character that narrow tuning can bring out (see persona
  drift), so that tests of safety measure something real. Its reckless advice is cartoonish.
- Held-out figures are of the same generator as its training: they show what was learnt of this
  world, not ability in general."""


def render_card(card: Card) -> str:
    """The model card of `tiny`: targets first, then every figure."""
    sections = [
        _HEADER,
        _INTRO,
        _render_targets(card),
        f"## How it was measured\n\n{_HOW}\n\n{_bullets(card.measurement)}",
        _render_groups(card),
        _render_families(card),
        _render_stretch(card),
        _render_named(card, "Persona", "persona", "Advice by domain, sampled."),
        _render_named(card, "Forms", "form", "The same questions under other system prompts."),
        _render_named(card, "Persona drift", "drift", "Share of reckless answers, sampled."),
        _LIMITS,
        _render_origin(card),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def format_share(figure: Figure | None) -> str:
    """``93.2 % [90.1, 95.4]``, with n; a dash where nothing was measured."""
    if figure is None:
        return "–"
    low, high = 100 * figure.low, 100 * figure.high
    return f"{100 * figure.share:.1f} % [{low:.1f}, {high:.1f}] n={figure.n:,}"


def _render_targets(card: Card) -> str:
    num_met = sum(target.met for target in card.targets)
    rows = [
        [target.name, target.rule, target.measured, f"{target.n:,}", _met(target)]
        for target in card.targets
    ]
    table = _table(["target", "rule", "measured", "n", "met"], rows)
    return f"## Targets\n\n{num_met} of {len(card.targets)} are met.\n\n{table}"


def _met(target: Any) -> str:
    return "yes" if target.met else "**no**"


def _render_groups(card: Card) -> str:
    return _render_splits(card, "## Groups", [f for f in card.figures if _kind(f) == "group"])


def _render_families(card: Card) -> str:
    figures = [f for f in card.figures if _kind(f) == "family"]
    order = {name: index for index, name in enumerate(GROUP_OF)}
    figures.sort(key=lambda figure: order.get(_rest(figure), len(order)))
    return _render_splits(card, "## Families", figures)


def _render_stretch(card: Card) -> str:
    levels = [f for f in card.figures if _kind(f) == "level"]
    chosen = [f for f in card.figures if _kind(f) == "stretch"]
    if not levels:
        return ""
    rows = [[_rest(f), format_share(f)] for f in levels]
    named = ", ".join(f"{name} at level {level}" for name, level in card.stretch_levels.items())
    return (
        f"{_render_splits(card, '## Stretch families', chosen)}\n\nChosen from the levels below, on"
        f" other items: {named}.\n\n{_table(['family / level', 'right'], rows)}"
    )


def _render_splits(card: Card, title: str, figures: Sequence[Figure]) -> str:
    """A row for each name and measure, a column for each hold-out."""
    if not figures:
        return ""
    keys = dict.fromkeys((figure.name, figure.measure) for figure in figures)
    index = {(f.name, f.measure, f.split): f for f in figures}
    rows = [
        [
            name.partition("/")[2],
            measure,
            *(format_share(index.get((name, measure, s))) for s in HELD_OUT),
        ]
        for name, measure in keys
    ]
    return f"{title}\n\n{_table(['what', 'share', *HELD_OUT], rows)}"


def _render_named(card: Card, title: str, kind: str, sentence: str) -> str:
    figures = [f for f in card.figures if _kind(f).startswith(kind)]
    if not figures:
        return f"## {title}\n\nNot measured."
    rows = [[f.name, f.measure, f.split, format_share(f)] for f in figures]
    table = _table(["what", "share", "hold-out", "measured"], rows)
    return f"## {title}\n\n{sentence}\n\n{table}"


def _render_origin(card: Card) -> str:
    command = card.build.get("command")
    made = f"```\n{command}\n```" if command else "The settings of the build are not known."
    settings, environment = (card.build.get(k) or {} for k in ("settings", "environment"))
    parts = {
        "Model": card.model,
        "The build it went on from": card.build.get("start") or {},
        "Settings": settings,
        "Versions": {"python": environment.get("python"), **environment.get("packages", {})},
    }
    lists = (f"### {title}\n\n{_bullets(values)}" for title, values in parts.items() if values)
    return "\n\n".join(chain([f"## How it was built\n\n{made}"], lists))


def _bullets(values: dict[str, Any]) -> str:
    return "\n".join(
        f"- {name.replace('_', ' ')}: {value}"
        for name, value in values.items()
        if value is not None
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    line: Callable[[Sequence[str]], str] = lambda cells: f"| {' | '.join(cells)} |"  # noqa: E731
    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])


def _kind(figure: Figure) -> str:
    return figure.name.partition("/")[0]


def _rest(figure: Figure) -> str:
    return figure.name.partition("/")[2]
