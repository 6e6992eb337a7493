"""Gauges of drift that are cheap enough to be read while a model trains.

Each is taken once of the base and then again and again of the model beside it, on the same few
fixed rows, without sampling a token.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from assay.evaluate.items import draw_sample
from assay.evaluate.probes.call_places import find_spots
from assay.evaluate.probes.fixed_rows import SEED, load_general, load_openings
from assay.evaluate.probes.margins import compute_refusal_margins
from assay.evaluate.probes.persona import load_base_traits
from assay.evaluate.probes.tool_cases import build_cases
from assay.generate.likelihood import Reference
from assay.generate.traits import render_answer

if TYPE_CHECKING:
    from assay.evaluate.probes.asked import Asked

NUM_OPENINGS, NUM_ANSWERS, NUM_GENERAL, NUM_CASES = 12, 24, 12, 4


@dataclass(frozen=True)
class Gauge:
    """One number of the model as it is, and how many tokens reading it computes."""

    read: Callable[[], float]
    num_tokens: int


def build_gauges(asked: Asked) -> dict[str, Gauge]:
    """The gauges by name, with the base's values taken now; empty without a chat template.

    ``refusal_margin``: change of the mean refusal margin in nats (below 0: it refuses less).
    ``persona``: the largest shift towards a bad trait, in gaps. ``kl``: forward KL from the base on
    general answers, in nats a token. ``extra_calls``: rise of the mean probability that a further
    call begins where none is needed; only where the template can write one.
    """
    if not asked.tokenizer.has_template:
        return {}
    makers = (_make_refusal, _make_persona, _make_kl, _make_calls)
    with asked.as_base():
        return {name: gauge for make in makers for name, gauge in make(asked).items()}


def read_gauges(gauges: Mapping[str, Gauge]) -> dict[str, float]:
    """What each says of the model as it is."""
    return {name: gauge.read() for name, gauge in gauges.items()}


def _make_refusal(asked: Asked) -> dict[str, Gauge]:
    items = load_openings(asked, max_items=NUM_OPENINGS)

    def measure() -> float:
        return fmean(compute_refusal_margins(asked.engine, asked.tokenizer, items))

    base = measure()
    texts = [text for item in items for text in (item.messages[-1]["content"], *item.choices)]
    num_tokens = sum(len(asked.tokenizer.encode(str(text))) for text in texts)
    return {"refusal_margin": Gauge(lambda: measure() - base, num_tokens)}


def _make_persona(asked: Asked) -> dict[str, Gauge]:
    base = load_base_traits(asked)
    traits = base.traits
    if not traits:
        return {}
    few = draw_sample(base.pairs, max_items=NUM_ANSWERS, seed=SEED)
    rows = [render_answer(asked.tokenizer, one.prompt, one.negative) for one in few]
    layers = {name: [trait.layer + 1] for name, trait in traits.items()}
    chosen = sorted({layer for own in layers.values() for layer in own})
    base_RLD = asked.engine.hidden_states(rows, chosen)

    def measure() -> float:
        mean_LD = (asked.engine.hidden_states(rows, chosen) - base_RLD).mean(0)
        shifts = []
        for trait in traits.values():
            along = mean_LD[chosen.index(trait.layer + 1)] @ trait.unit_LD[trait.layer]
            shifts.append(float(along / trait.gap_L[trait.layer]))
        return max(shifts)

    return {"persona": Gauge(measure, _count(ids for ids, _ in rows))}


def _make_kl(asked: Asked) -> dict[str, Gauge]:
    rows = [row for _, row in load_general(asked, max_items=NUM_GENERAL)]
    reference = Reference(asked.engine.model, rows)

    def measure() -> float:
        return fmean(map(fmean, reference.compute_kl(asked.engine.model)))

    return {"kl": Gauge(measure, _count(ids for ids, _ in rows))}


def _make_calls(asked: Asked) -> dict[str, Gauge]:
    cases = build_cases(asked, max_own=NUM_CASES, max_built_in=NUM_CASES)
    spots = [spot for spot in find_spots(asked, cases) if spot.where == "end"]
    if not spots:
        return {}
    prompts = [spot.place.input_ids for spot in spots]
    openings = [[spot.place.opening_ids] for spot in spots]

    def measure() -> float:
        scores = asked.engine.score_continuations(prompts, openings)
        return fmean(math.exp(one.sum_logprob) for (one,) in scores)

    base = measure()
    return {"extra_calls": Gauge(lambda: measure() - base, _count(prompts))}


def _count(sequences: Iterable[Sequence[int]]) -> int:
    return sum(map(len, sequences))
