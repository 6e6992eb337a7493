"""Readings of a probe as numbers for evaluation.json, which the gates read; it judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.evaluate.compare import Resampling, Scores, compare_scores, summarise_scores
from assay.evaluate.items import Score
from assay.evaluate.probes.probe import Probed, Reading
from assay.evaluate.stats import compute_upper_bound


def summarise_probe(probed: Probed, resampling: Resampling) -> dict[str, Any]:
    """The part of evaluation.json of one probe, computed from its readings alone.

    ``{"n", "num_groups", "num_unscored", "base", "tuned", "comparisons": {"tuned_vs_base"},
    "events": {"n", "base", "tuned", "new", "upper"}, "statistic", "evidence", "not_measured",
    "not_applicable", "facts"}``. `events` is empty where a reading is neither 0 nor 1; `new` are
    events of the tuned model where the base has none, `upper` bounds their rate from above (exact,
    one-sided, at the confidence).
    """
    readings = probed.readings
    groups = {
        each.id: f"item:{each.id}" if each.group is None else f"group:{each.group}"
        for each in readings
    }
    base, tuned = ({each.id: _score(each, arm) for each in readings} for arm in ("base", "tuned"))
    found: dict[str, Any] = {"n": len(readings), "num_groups": len(set(groups.values()))}
    for name, scores in (("base", base), ("tuned", tuned)):
        found[name] = summarise_scores(
            scores, statistic="value", resampling=resampling, groups=groups
        )
    comparison = _compare(tuned, base, resampling, groups)
    return {
        **found,
        "num_unscored": comparison["num_unscored"],
        "comparisons": {"tuned_vs_base": comparison},
        "events": count_events(readings, confidence=resampling.confidence),
        **probed.to_dict(),
    }


def count_events(readings: Sequence[Reading], *, confidence: float) -> dict[str, Any]:
    """Events of both models, or nothing where a reading is no event; see `summarise_probe`."""
    pairs = [
        (each.base, each.tuned)
        for each in readings
        if each.base is not None and each.tuned is not None
    ]
    if not pairs or any(value not in (0.0, 1.0) for pair in pairs for value in pair):
        return {}
    new = sum(tuned > base for base, tuned in pairs)
    return {
        "n": len(pairs),
        "base": int(sum(base for base, _ in pairs)),
        "tuned": int(sum(tuned for _, tuned in pairs)),
        "new": new,
        "upper": compute_upper_bound(new, len(pairs), confidence=confidence),
    }


def _score(reading: Reading, arm: str) -> Score:
    value = getattr(reading, arm)
    reason = "" if value is not None else "not scored"
    return Score("probe", value, None, unscored_reason=reason)


def _compare(
    tuned: Scores, base: Scores, resampling: Resampling, groups: Mapping[str, str]
) -> dict[str, Any]:
    return compare_scores(tuned, base, statistic="value", resampling=resampling, groups=groups)
