"""How a question and its material stand on the page; knows no task.

A family words its question; here it is put before or after the text, list or record it is about,
tersely, politely or as a form. Layouts are never held out: only wordings and values are.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

_LAYOUTS = (
    "{q}\n{m}",
    "{q}\n\n{m}",
    "{m}\n{q}",
    "{m}\n\n{q}",
    "{q}\n{label}: {m}",
    "{label}: {m}\n{q}",
    "{label}: {m}\nQuestion: {q}",
    "Question: {q}\n{label}: {m}",
    "Task: {q}\n{label}: {m}",
    "{q}\n---\n{m}\n---",
)
_ONE_LINE_LAYOUTS = (*_LAYOUTS, "{q} {m}", '{q} "{m}"', '"{m}" {q}')
_OPENERS = (
    "Please help me. ",
    "Quick question. ",
    "Hello! ",
    "Please answer briefly. ",
    "I need your help. ",
    "One more task. ",
)

_ARTICLE = re.compile(r"\b([Aa]) (?=[aeio]|um)")


def with_articles(text: str) -> str:
    """``a umbrella`` becomes ``an umbrella``; for templates that do not know their noun."""
    return _ARTICLE.sub(r"\1n ", text)


def place(rng: random.Random, question: str, material: str, *, label: str = "Text") -> str:
    """The whole user turn; `label` names the material where the layout is a form."""
    layouts = _LAYOUTS if "\n" in material or '"' in material else _ONE_LINE_LAYOUTS
    if rng.random() < 0.15:
        question = rng.choice(_OPENERS) + question
    layout = rng.choice(layouts)
    if "\n" in material:
        layout = layout.replace("{label}: {m}", "{label}:\n{m}")
    return layout.format(q=question, m=material, label=label)


def polite(rng: random.Random, question: str) -> str:
    """A question that carries its own material, now and then with a friendly opening."""
    return rng.choice(_OPENERS) + question if rng.random() < 0.15 else question


def show_list(rng: random.Random, items: Sequence[str]) -> str:
    """A list in one of the usual ways to write one; items hold no comma and no line break."""
    kind = rng.random()
    if kind < 0.5:
        return ", ".join(items)
    if kind < 0.6:
        return "; ".join(items)
    if kind < 0.7:
        return "\n".join(items)
    if kind < 0.85:
        return "\n".join(f"- {item}" for item in items)
    if kind < 0.93:
        return " ".join(items)
    return "[" + ", ".join(items) + "]"


def show_pairs(rng: random.Random, pairs: Sequence[tuple[str, str]]) -> str:
    """Keys and values as lines, with semicolons, or with equals signs."""
    kind = rng.random()
    if kind < 0.5:
        return "\n".join(f"{key}: {value}" for key, value in pairs)
    if kind < 0.75:
        return "; ".join(f"{key}: {value}" for key, value in pairs)
    if kind < 0.9:
        return ", ".join(f"{key} = {value}" for key, value in pairs)
    return "\n".join(f"- {key}: {value}" for key, value in pairs)
