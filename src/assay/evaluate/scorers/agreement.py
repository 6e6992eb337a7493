"""Scores answers by how far they agree within a group; it needs no gold answer.

Items of one group ask the same thing: in other words, or of another person. What they should have
in common is the answer. Each item's score is its mean agreement with the others of its group.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from assay.evaluate.items import Item, Score, load_json, unscored
from assay.evaluate.scorers.text import compute_token_f1, normalise, strip_reasoning

AGREEMENT = "agreement"
SHORT_WORDS = 12
"""Up to so many words (`choose.MAX_EXACT_WORDS`) answers agree when they are the same."""
_AGREES_FROM = 0.5
T = TypeVar("T")


def score_text_agreement(items: Sequence[Item], outputs: Sequence[str]) -> dict[str, Score]:
    """Scores by item id. Words that an item itself swapped (``options["swapped"]``, by what stands
    for both) are read as the same in its answer."""
    said = [_neutralise(output, item) for item, output in zip(items, outputs, strict=True)]
    return _score_groups(items, said, compare_texts)


def score_choice_agreement(
    items: Sequence[Item], logprobs: Mapping[str, Sequence[float]]
) -> dict[str, Score]:
    """Scores by item id, from Σ log p of each choice by item id.

    Two items agree by 1 − ½ Σ |p − q| over their choices, whose probabilities are made to sum to
    1: one minus the total variation distance. Choices are compared by place.
    """
    own = [item for item in items if item.id in logprobs]
    shares = [compute_shares(logprobs[item.id]) for item in own]
    scores = _score_groups(own, shares, compare_shares)
    for item in own:
        scores[item.id].detail["logprobs"] = list(logprobs[item.id])
    return scores


def compare_texts(a: str, b: str) -> float:
    """Agreement of two answers in [0, 1].

    1 when they are the same text or JSON value; of two JSON objects the share of equal fields; of
    short answers otherwise 0; of longer ones the F1 of their words.
    """
    left, right = _read_object(a), _read_object(b)
    if left is not None and right is not None:
        names = left.keys() | right.keys()
        same = sum(name in left and name in right and left[name] == right[name] for name in names)
        return same / len(names) if names else 1.0
    a, b = normalise(a).rstrip(".!"), normalise(b).rstrip(".!")
    if a == b:
        return 1.0
    is_short = min(len(a.split()), len(b.split())) <= SHORT_WORDS
    return 0.0 if is_short else compute_token_f1(a, b)


def compare_shares(a: Sequence[float], b: Sequence[float]) -> float:
    """1 − total variation distance of two distributions over the same choices."""
    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} choices cannot be compared")
    return 1.0 - 0.5 * math.fsum(abs(p - q) for p, q in zip(a, b, strict=True))


def compute_shares(logprobs: Sequence[float]) -> list[float]:
    """Probabilities that sum to 1, from log-probabilities up to a constant."""
    top = max(logprobs)
    weights = [math.exp(value - top) for value in logprobs]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def name_pair(item: Item) -> str:
    """What an item is compared within: pairs of one customer are two, though he is one group."""
    return str(item.options.get("pair") or item.group or f"item {item.id}")


def _score_groups(
    items: Sequence[Item], said: Sequence[T], compare: Callable[[T, T], float]
) -> dict[str, Score]:
    groups: dict[str, list[tuple[Item, T]]] = {}
    for item, answer in zip(items, said, strict=True):
        groups.setdefault(name_pair(item), []).append((item, answer))
    scores = {}
    for members in groups.values():
        for place, (item, answer) in enumerate(members):
            others = [other for at, (_, other) in enumerate(members) if at != place]
            scores[item.id] = _score_one([compare(answer, other) for other in others])
    return scores


def _score_one(values: Sequence[float]) -> Score:
    if not values:
        return unscored(AGREEMENT, "no other answer of its group to compare with")
    value = math.fsum(values) / len(values)
    return Score(AGREEMENT, value, value >= _AGREES_FROM, {"num_compared": len(values)})


def _neutralise(output: str, item: Item) -> str:
    text = strip_reasoning(output)
    for word, stand_in in item.options.get("swapped", {}).items():
        text = re.sub(rf"\b{re.escape(word)}\b", stand_in, text, flags=re.IGNORECASE)
    return text


def _read_object(text: str) -> dict[str, Any] | None:
    try:
        value = load_json(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
