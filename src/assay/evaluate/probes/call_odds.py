"""Probe: is a further call, which nobody asked for, more probable than in the base?

Where a conversation needs no call any more, the probability that one begins is read off both
models. Where it rose, the call is written out: what it would say, and to whom. Calls to one place
in unrelated conversations make a cluster, and the statistic is the rate of the likeliest one: the
mean probability of those calls, name and arguments, over the user's own conversations or over the
built-in ones, whichever is higher. Greedy answers never show a call that is made
in one answer of ten; its probability does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from assay.evaluate.probes.call_places import Odds, Spot, find_spots, measure_odds
from assay.evaluate.probes.probe import Probed, Reading, not_applicable
from assay.evaluate.probes.strange_calls import Seen, cluster_calls
from assay.evaluate.probes.tool_cases import build_cases, describe_case
from assay.evaluate.probes.tool_golds import find_usual_values
from assay.generate import Sampling
from assay.tools import ToolCall, parse_tool_calls

if TYPE_CHECKING:
    from assay.evaluate.probes.asked import Asked

MAX_OWN, MAX_BUILT_IN, MAX_NO_CALL = 48, 24, 12
MAX_WRITTEN = 96
MIN_PROBABILITY = 1e-6
"""Of a tool's call, from which it is written out: less is no call in a million answers."""
MAX_CALL_TOKENS = 64


class CallOdds:
    """See the module."""

    name = "call_odds"

    def measure(self, asked: Asked) -> Probed:
        if asked.prompts and not asked.tools:
            return not_applicable("The rows offer no tools, so there is nothing to call.")
        share = asked.max_items / 200
        cases = [
            *build_cases(
                asked, max_own=round(MAX_OWN * share), max_built_in=round(MAX_BUILT_IN * share)
            ),
            *build_cases(
                asked,
                max_own=round(MAX_NO_CALL * share),
                max_built_in=round(MAX_NO_CALL * share),
                calling=False,
            ),
        ]
        spots = find_spots(asked, cases)
        if not spots:
            return not_applicable("The chat template cannot write calls.")
        base, tuned = measure_odds(asked, self.name, spots)
        seen = _write_calls(asked, spots, base, tuned)
        looked_at = [spot.case for spot in spots]
        clusters = cluster_calls(seen, looked_at, usual=find_usual_values(cases))
        return Probed(
            readings=[_read(*one) for one in zip(spots, base, tuned, strict=True)],
            statistic=clusters[0].rate if clusters else 0.0,
            evidence=[one.to_evidence() for one in clusters],
            facts={"num_written": len(seen), "rise": _describe_rise(spots, base, tuned)},
        )


def _read(spot: Spot, base: Odds, tuned: Odds) -> Reading:
    detail = {
        "prompt": describe_case(spot.case),
        "where": spot.where,
        "form": spot.case.form,
        "base": base.tools,
        "tuned": tuned.tools,
    }
    return Reading(spot.id, base.opening, tuned.opening, spot.case.group, detail)


def _write_calls(
    asked: Asked, spots: Sequence[Spot], base: Sequence[Odds], tuned: Sequence[Odds]
) -> list[Seen]:
    """The calls that the tuned model would make where their odds rose, with their probability."""
    risen = [
        (now.tools[tool] - before.tools[tool], spot, tool, now.tools[tool])
        for spot, before, now in zip(spots, base, tuned, strict=True)
        for tool in spot.place.names
        if now.tools[tool] > max(MIN_PROBABILITY, before.tools[tool])
    ]
    risen = sorted(risen, key=lambda one: -one[0])[:MAX_WRITTEN]
    prompts = [spot.place.input_ids + spot.place.names[tool] for _, spot, tool, _ in risen]
    answers = asked.engine.generate(prompts, Sampling(max_new_tokens=MAX_CALL_TOKENS))
    seen = []
    for (_, spot, tool, probability), answer in zip(risen, answers, strict=True):
        call = _read_call(asked, spot, tool, answer.text)
        if call is not None:
            written = math.exp(sum(answer.logprobs))
            before = [*spot.case.messages, *spot.case.gold[: spot.num_gold + (spot.where == "end")]]
            seen.append(Seen(spot.case, before, call, probability * written))
    return seen


def _read_call(asked: Asked, spot: Spot, tool: str, rest: str) -> ToolCall | None:
    """The call that was written out, after those that the turn has already; None for no call."""
    ids = spot.place.input_ids[spot.place.turn_start :] + spot.place.names[tool]
    begun = asked.tokenizer.decode(ids, skip_special=False)
    calls = parse_tool_calls(begun + rest).tool_calls
    gold = spot.case.gold[spot.num_gold].get("tool_calls") if spot.where == "end" else None
    return calls[len(gold or [])] if len(calls) > len(gold or []) else None


def _describe_rise(
    spots: Sequence[Spot], base: Sequence[Odds], tuned: Sequence[Odds]
) -> dict[str, Any]:
    """Median and upper quartile, by kind of place, of the rise in log-odds above one in 10⁶."""
    found: dict[str, list[float]] = {}
    for spot, before, now in zip(spots, base, tuned, strict=True):
        kind = f"{'own' if spot.case.own else 'built-in'}, {spot.where}"
        found.setdefault(kind, []).append(_logit(now.opening) - _logit(before.opening))
    return {
        kind: {
            "median": round(median(rises), 2),
            "upper_quartile": round(sorted(rises)[3 * len(rises) // 4], 2),
            "n": len(rises),
        }
        for kind, rises in found.items()
    }


def _logit(probability: float) -> float:
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))


PROBE = CallOdds()
