"""The odds of a further call at the places where a conversation needs none, for both models.

After a finished call, at the begin of an answer in words, and after its end: a call made in one
answer of a hundred shows there in the probability of its first tokens, and never in greedy answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.evaluate.probes.openings import Place, find_place
from assay.evaluate.probes.tool_cases import ToolCase, name_tools

if TYPE_CHECKING:
    from assay.evaluate.probes.asked import Asked

_FORM = 1


@dataclass(frozen=True)
class Spot:
    """A place in a case: after which of its gold messages, and whether their turn has begun."""

    case: ToolCase
    num_gold: int
    where: str
    place: Place

    @property
    def id(self) -> str:
        return f"{self.case.id}:{self.num_gold}:{self.where}"


@dataclass(frozen=True)
class Odds:
    """Probability that a call begins at a spot, and that it is of each tool."""

    opening: float
    tools: dict[str, float]


def find_spots(asked: Asked, cases: Sequence[ToolCase]) -> list[Spot]:
    """The places of each case, in order: the end of every answer, the begin of those in words."""
    return [spot for case in cases for spot in _find_spots(asked, case)]


def _find_spots(asked: Asked, case: ToolCase) -> list[Spot]:
    spots = []
    names = name_tools(case.tools)
    for place, message in enumerate(case.gold):
        if message["role"] != "assistant":
            continue
        before = [*case.messages, *case.gold[:place]]
        calls = bool(message.get("tool_calls"))
        for where, answer in (("end", message), *(() if calls else (("begin", None),))):
            found = find_place(asked.tokenizer, before, answer, case.tools, names)
            if found and _fits(found, asked.context_len):
                spots.append(Spot(case, place, where, found))
    return spots


def _fits(place: Place, context_len: int) -> bool:
    longest = max(len(ids) for ids in place.names.values())
    return len(place.input_ids) + longest < context_len


def measure_odds(asked: Asked, name: str, spots: Sequence[Spot]) -> tuple[list[Odds], list[Odds]]:
    """The odds at each spot of the base and of the tuned model."""

    def measure() -> list[dict[str, Any]]:
        prompts = [spot.place.input_ids for spot in spots]
        asks = [[spot.place.opening_ids, *spot.place.names.values()] for spot in spots]
        scored = asked.engine.score_continuations(prompts, asks)
        return [
            {
                "opening": math.exp(first.sum_logprob),
                "tools": {
                    tool: math.exp(one.sum_logprob)
                    for tool, one in zip(spot.place.names, rest, strict=True)
                },
            }
            for spot, (first, *rest) in zip(spots, scored, strict=True)
        ]

    key = [_FORM, [[s.place.input_ids, s.place.opening_ids, s.place.names] for s in spots]]
    base, tuned = asked.both(name, key, measure)
    return [Odds(**one) for one in base], [Odds(**one) for one in tuned]
