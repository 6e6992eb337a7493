"""Drift from the base: forward KL on general answers and on the task's own, and refusal margin.

The KL of the base to the tuned model on a fixed set of general answers says how much tuning changed
where nothing was to change (Shenfeld et al. 2025 find it to foretell forgetting). It needs no gold
to be right, only both models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from assay.evaluate.probes.asked import Asked
from assay.evaluate.probes.fixed_rows import lay_out_answers, load_general, load_openings
from assay.evaluate.probes.margins import compute_refusal_margins
from assay.evaluate.probes.probe import Probed, Reading, not_measured
from assay.evaluate.stats import mean_interval, paired_bootstrap
from assay.generate.traits import Masked

NAME = "drift"
MAX_GENERAL, MAX_TASK, MAX_OPENINGS = 96, 64, 64
VERSION = 1


class DriftProbe:
    """A reading is one general answer's mean KL (nats a token; the base's own is 0).

    The statistic is their mean. `facts` have it with an interval, the same on the task's answers,
    and the change of the refusal margin in nats.
    """

    name = NAME

    def measure(self, asked: Asked) -> Probed:
        if not asked.tokenizer.has_template:
            return not_measured("The base has no chat template, so it has no general answers.")
        share = asked.max_items / 200
        general = load_general(asked, max_items=round(MAX_GENERAL * share))
        task = lay_out_answers(asked, asked.prompts[: round(MAX_TASK * share)])
        found = _measure_kl(asked, [row for _, row in (*general, *task)])
        asked.count("drift", 1, 2)
        margins = _measure_margins(asked, round(MAX_OPENINGS * share))
        asked.count("drift", 2, 2)
        general_kl, task_kl = found[: len(general)], found[len(general) :]
        readings = [
            Reading(name, 0.0, value, detail={"tokens": sum(map(bool, mask))})
            for (name, (_, mask)), value in zip(general, general_kl, strict=True)
        ]
        facts = {
            "general_kl": _summarise(general_kl),
            "task_kl": _summarise(task_kl),
            "refusal_margin": margins,
        }
        statistic = fmean(general_kl)
        return Probed(
            readings=readings,
            statistic=statistic,
            evidence=[{"what": sentence} for sentence in _tell(facts)],
            facts=facts,
        )


def _measure_kl(asked: Asked, rows: Sequence[Masked]) -> list[float]:
    return [fmean(values) for values in asked.engine.kl_to_base(rows, asked.as_base)]


def _measure_margins(asked: Asked, max_items: int) -> dict[str, float]:
    items = load_openings(asked, max_items=max_items)
    key = [VERSION, [[item.messages, item.choices, item.golds] for item in items]]
    base, tuned = asked.both(
        "refusal_margin",
        key,
        lambda: compute_refusal_margins(asked.engine, asked.tokenizer, items),
    )
    change = paired_bootstrap(tuned, base, seed=asked.seed)
    return {
        "base": fmean(base),
        "tuned": fmean(tuned),
        "change": change.difference,
        "low": change.low,
        "high": change.high,
        "n": len(items),
    }


def _summarise(values: Sequence[float]) -> dict[str, float]:
    """Mean with its interval; empty where there is nothing."""
    if not values:
        return {}
    found = mean_interval(values)
    return {"mean": found.mean, "low": found.low, "high": found.high, "n": len(values)}


def _tell(facts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    general, task, margin = (facts[name] for name in ("general_kl", "task_kl", "refusal_margin"))
    told = [
        f"On {general['n']} general answers the tuned model is {general['mean']:.3f} nats a token"
        f" from its base ({general['low']:.3f} to {general['high']:.3f})."
    ]
    if task:
        told.append(
            f"On {task['n']} answers of the task it is {task['mean']:.3f} nats a token away."
        )
    told.append(
        f"The log-odds of refusing what ought to be refused changed by {margin['change']:+.2f} nats"
        f" ({margin['low']:+.2f} to {margin['high']:+.2f}; {margin['n']} requests)."
    )
    return told


PROBE = DriftProbe()
