"""Character spans to a weight per token; it knows neither messages nor templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """Characters ``[start, end)`` of a text, trained with `weight` (above 0)."""

    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class TokenWeights:
    """The loss weight of each token, and the tokens that lie across the border of a span."""

    weights: list[float]
    straddling: list[int]


def compute_token_weights(
    offsets: Sequence[tuple[int, int]], spans: Sequence[Span]
) -> TokenWeights:
    """Weight of each token: its span's if it lies wholly within one, else 0.

    A token across the border of a span holds text of the prompt (or of the template), which the
    model would not have to write; so it is not trained, and its index is reported.

    Args:
        offsets: characters ``[start, end)`` of each token, in order of start. Bytes of one
            character may share its offsets.
        spans: in order, without overlap.
    """
    weights = [0.0] * len(offsets)
    straddling: list[int] = []
    waiting = list(reversed(spans))
    for index, (start, end) in enumerate(offsets):
        while waiting and waiting[-1].end <= start:
            waiting.pop()
        if not waiting or end <= waiting[-1].start:
            continue
        if waiting[-1].start <= start and end <= waiting[-1].end:
            weights[index] = waiting[-1].weight
        else:
            straddling.append(index)
    return TokenWeights(weights=weights, straddling=straddling)
