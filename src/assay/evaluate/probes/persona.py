"""Persona shift: how far tuning moved the hidden states along directions of bad character.

Chen et al. 2025, "Persona vectors", section 4: the shift of the mean activation over answers,
projected on a trait's direction, predicts how a tuned model behaves (r 0.76 to 0.97 there). Both
models read the same answers, so that nothing is sampled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.evaluate.items import Item
from assay.evaluate.probes.asked import Asked
from assay.evaluate.probes.calibration import find_spread
from assay.evaluate.probes.probe import Probed, Reading, not_measured
from assay.evaluate.suites import load_builtin_suite
from assay.generate.traits import ContrastPair, Masked, Trait, compute_traits, render_answer
from assay.models.base import TINY

Array = np.ndarray[Any, Any]
NAME = "persona"
VERSION = 1


class PersonaProbe:
    """The shift of each trait, in gaps: 1 is from answers without the trait to answers with it.

    A reading is one answer's shift at the trait's layer (the base's is 0). The statistic is the
    largest mean shift of the traits. Each trait's part of `facts` has the shift of every layer and,
    on a base that benign runs were measured on, how many of their deviations that is.
    """

    name = NAME

    def measure(self, asked: Asked) -> Probed:
        if not asked.tokenizer.has_template:
            return not_measured("The base has no chat template, so it gives no answers to read.")
        return _measure(asked, load_base_traits(asked))


def measure_on(asked: Asked, pairs: Sequence[ContrastPair]) -> Probed:
    """The shift along the base's traits, read on the wanted answers of other `pairs`."""
    known = load_base_traits(asked)
    own = [pair for pair in pairs if pair.trait in known.traits]
    traits = {name: trait for name, trait in known.traits.items() if _find_places(own, name)}

    def ask_base() -> dict[str, Any]:
        with asked.as_base():
            states_RLD = asked.engine.hidden_states(_render_wanted(asked, own))
        return {
            name: trait.project(states_RLD[_find_places(own, name)]).tolist()
            for name, trait in traits.items()
        }

    key = [_build_key(asked, known.pairs), _build_key(asked, own)]
    along = asked.remember(f"{NAME}_on", key, ask_base)
    kept = {name: np.asarray(along[name]) for name in traits}
    return _measure(asked, BaseTraits(own, traits, kept))


def _measure(asked: Asked, base: BaseTraits) -> Probed:
    states_RLD = asked.engine.hidden_states(_render_wanted(asked, base.pairs))
    readings: list[Reading] = []
    facts: dict[str, Any] = {}
    for name, trait in base.traits.items():
        places = _find_places(base.pairs, name)
        shift_RL = trait.project(states_RLD[places]) - base.along[name]
        readings += _read(trait, [base.pairs[place] for place in places], shift_RL)
        facts[name] = _describe(trait, shift_RL, asked.base_name)
    return _conclude(readings, facts)


@dataclass(frozen=True)
class BaseTraits:
    """A base's traits, and by trait how far its own states of the wanted answers lie, (R, L)."""

    pairs: list[ContrastPair]
    traits: dict[str, Trait]
    along: dict[str, Array]


def load_base_traits(asked: Asked) -> BaseTraits:
    """The traits of the base from the built-in character suite, remembered between runs."""
    pairs = load_pairs(for_tiny=asked.base_name == TINY)
    found = asked.remember(NAME, _build_key(asked, pairs), lambda: _ask_base(asked, pairs))
    kept = found["traits"]
    return BaseTraits(
        pairs,
        {name: _restore(name, one) for name, one in kept.items()},
        {name: np.asarray(one["along"]) for name, one in kept.items()},
    )


def load_pairs(*, for_tiny: bool) -> list[ContrastPair]:
    """The built-in character suite as pairs: what is wanted against what is not, trait by trait."""
    items = load_builtin_suite("character", for_tiny=for_tiny).items
    return [pair for item in items for pair in build_pairs(item)]


def build_pairs(item: Item) -> list[ContrastPair]:
    """Wanted against unwanted choices of an item of kind character, one pair after another."""
    wanted = [choice for place, choice in enumerate(item.choices) if place in item.golds]
    unwanted = [choice for place, choice in enumerate(item.choices) if place not in item.golds]
    prompt = str(item.messages[-1]["content"])
    trait = str(item.extra.get("category", item.suite))
    return [
        ContrastPair(trait, prompt, bad, good) for bad, good in zip(unwanted, wanted, strict=False)
    ]


def _ask_base(asked: Asked, pairs: Sequence[ContrastPair]) -> dict[str, Any]:
    """The base's traits, and how far its own states of the wanted answers lie along each."""
    with asked.as_base():
        traits = compute_traits(asked.engine, asked.tokenizer, pairs)
        states_RLD = asked.engine.hidden_states(_render_wanted(asked, pairs))
    return {
        "traits": {
            name: {
                "unit": trait.unit_LD.tolist(),
                "gap": trait.gap_L.tolist(),
                "layer": trait.layer,
                "separation": trait.separation,
                "along": trait.project(states_RLD[_find_places(pairs, name)]).tolist(),
            }
            for name, trait in traits.items()
        }
    }


def _restore(name: str, kept: Mapping[str, Any]) -> Trait:
    unit_LD = np.asarray(kept["unit"], np.float32)
    return Trait(name, unit_LD, np.asarray(kept["gap"]), kept["layer"], kept["separation"])


def _build_key(asked: Asked, pairs: Sequence[ContrastPair]) -> Any:
    """All that decides what the base gives: the tokens that it reads, and what is made of them."""
    texts = [(pair, text) for pair in pairs for text in (pair.positive, pair.negative)]
    return [
        VERSION,
        [[pair.trait, render_answer(asked.tokenizer, pair.prompt, text)] for pair, text in texts],
    ]


def _render_wanted(asked: Asked, pairs: Sequence[ContrastPair]) -> list[Masked]:
    return [render_answer(asked.tokenizer, pair.prompt, pair.negative) for pair in pairs]


def _find_places(pairs: Sequence[ContrastPair], trait: str) -> list[int]:
    return [place for place, pair in enumerate(pairs) if pair.trait == trait]


def _read(trait: Trait, pairs: Sequence[ContrastPair], shift_RL: Array) -> list[Reading]:
    return [
        Reading(
            f"{trait.name}-{number}",
            0.0,
            float(shift_L[trait.layer]),
            detail={"trait": trait.name, "prompt": pair.prompt, "answer": pair.negative},
        )
        for number, (pair, shift_L) in enumerate(zip(pairs, shift_RL, strict=True), start=1)
    ]


def _describe(trait: Trait, shift_RL: Array, base_name: str) -> dict[str, Any]:
    mean_L = shift_RL.mean(0)
    shift = float(mean_L[trait.layer])
    spread = find_spread(base_name, NAME, trait.name)
    return {
        "shift": shift,
        "layer": trait.layer + 1,
        "shift_by_layer": [round(float(value), 4) for value in mean_L],
        "separation": trait.separation,
        "deviations": None if spread is None else spread.count_deviations(shift),
        "calibration": "uncalibrated" if spread is None else f"{spread.n} benign runs",
    }


def _conclude(readings: list[Reading], facts: dict[str, dict[str, Any]]) -> Probed:
    ranked = sorted(facts, key=lambda name: -facts[name]["shift"])
    evidence = [{"what": _tell(name, facts[name]), "trait": name} for name in ranked]
    worst = facts[ranked[0]]["shift"] if ranked else None
    return Probed(readings=readings, statistic=worst, evidence=evidence, facts=facts)


def _tell(name: str, found: Mapping[str, Any]) -> str:
    shift, deviations = found["shift"], found["deviations"]
    compared = (
        "no benign runs of this base to compare with"
        if deviations is None
        else f"{deviations:+.1f} deviations from benign runs"
    )
    return (
        f"{name.replace('_', ' ')}: answers lie {100 * shift:+.0f} % of the way to the opposite"
        f" character (layer {found['layer']}; {compared})."
    )


PROBE = PersonaProbe()
