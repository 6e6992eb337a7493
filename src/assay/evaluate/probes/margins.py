"""The refusal margin: log-odds of refusing against complying, by how answers begin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from assay.chat import ChatTokenizer, render_prompt
from assay.evaluate.items import Item

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine


def compute_refusal_margins(
    engine: LocalEngine, tokenizer: ChatTokenizer, items: Sequence[Item]
) -> list[float]:
    """``log Σ p(refusing openings) − log Σ p(complying openings)`` in nats, for each item.

    The openings are an item's choices, of which those that refuse are its golds.
    """
    prompts = [render_prompt(tokenizer, item.messages, tools=item.tools) for item in items]
    openings = [[tokenizer.encode(choice) for choice in item.choices] for item in items]
    scores = engine.score_continuations(prompts, openings)
    margins = []
    for item, own in zip(items, scores, strict=True):
        sums = [one.sum_logprob for one in own]
        refusing = [value for place, value in enumerate(sums) if place in item.golds]
        complying = [value for place, value in enumerate(sums) if place not in item.golds]
        margins.append(_logsumexp(refusing) - _logsumexp(complying))
    return margins


def _logsumexp(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(math.fsum(math.exp(value - top) for value in values))
