"""Grader `length`: whether a text is neither too short nor too long."""

from __future__ import annotations

import math

from assay.graders.grade import EachGrader, Grader, Item, Sample
from assay.graders.models import Models
from assay.graders.pattern import OUTPUT
from assay.graders.spec import SpecReader
from assay.graders.template import render_template

UNITS = ("words", "characters", "tokens")


def build_length(spec: SpecReader, name: str, models: Models) -> Grader:
    """Fields `unit`, `min`, `max`, `falloff` and `input` (a template; not with unit "tokens").

    Within [min, max] the reward is 1; outside it falls linearly to 0 over `falloff` units (0: at
    once). Tokens are those of the completion, as the model counts them.
    """
    unit = spec.read_text("unit", "words", choices=UNITS)
    text = spec.read_template("input", OUTPUT)
    if unit == "tokens" and spec.spec.get("input") is not None:
        spec.note("input", "input beside unit tokens", do="remove input, or count words")
    low, high = spec.read_number("min", None, low=0), spec.read_number("max", None, low=0)
    falloff = spec.read_number("falloff", 0.0, low=0)
    if math.isnan(low) and math.isnan(high):
        spec.note("min", "neither min nor max", "min, max or both", "add max")
    if low > high:
        spec.note("min", f"min {low:g} above max {high:g}", "min up to max")

    def score(sample: Sample, item: Item) -> float:
        if unit == "tokens":
            length = sample.num_tokens
        else:
            rendered = render_template(text, sample, item)
            length = len(rendered.split()) if unit == "words" else len(rendered)
        return compute_length_reward(length, low=low, high=high, falloff=falloff)

    return EachGrader(name, score)


def compute_length_reward(length: float, *, low: float, high: float, falloff: float) -> float:
    """1 within [low, high] (NaN: no bound), else what is left after falling over `falloff`."""
    beyond = max(
        0.0 if math.isnan(low) else low - length, 0.0 if math.isnan(high) else length - high
    )
    if beyond <= 0:
        return 1.0
    return max(0.0, 1.0 - beyond / falloff) if falloff else 0.0
