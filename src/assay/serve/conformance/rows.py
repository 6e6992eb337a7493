"""Rows and graders that the checks send: small, learnable, and of one meaning everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

COLOURS = ("red", "green", "blue", "black", "white")
GRADER: Mapping[str, Any] = {
    "type": "string_check",
    "name": "same",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}",
    "operation": "ilike",
}


def ask_colour(number: int) -> str:
    """The question of a row."""
    return f"Item {number} has the colour {COLOURS[number % 5]}. Say it."


def build_chat(number: int) -> dict[str, Any]:
    """A supervised row."""
    return {
        "messages": [
            {"role": "user", "content": ask_colour(number)},
            {"role": "assistant", "content": COLOURS[number % 5]},
        ]
    }


def build_pair(number: int) -> dict[str, Any]:
    """A preference row."""
    return {
        "input": {"messages": [{"role": "user", "content": ask_colour(number)}]},
        "preferred_output": [{"role": "assistant", "content": COLOURS[number % 5]}],
        "non_preferred_output": [{"role": "assistant", "content": "I cannot say."}],
    }


def build_prompt(number: int) -> dict[str, Any]:
    """A reinforcement row: it ends where the model goes on."""
    return {
        "messages": [{"role": "user", "content": ask_colour(number)}],
        "answer": COLOURS[number % 5],
    }


def build_reinforcement(**hyperparameters: Any) -> dict[str, Any]:
    """A reinforcement method with a grader that `build_prompt`'s rows suit."""
    block = {"grader": dict(GRADER), "hyperparameters": hyperparameters}
    return {"type": "reinforcement", "reinforcement": block}


def render_rows(rows: Iterable[Any]) -> bytes:
    """JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
