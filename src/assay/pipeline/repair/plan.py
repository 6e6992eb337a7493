"""What a repair of a run would try, and about what each costs; it loads no model."""

from __future__ import annotations

import math
from typing import Any

from assay.config import Loaded, load
from assay.models.base import TINY
from assay.pipeline.repair.candidates import INTERVENTIONS, THRESHOLDS
from assay.pipeline.repair.child import RepairOptions
from assay.pipeline.repair.holds import CHARACTER, check_repairable, check_weights, list_kinds
from assay.pipeline.repair.trial import ANEW, FACTORS, SAFETY, SAFETY_TUNINGS
from assay.pipeline.repair.tuning import SAFETY_STEPS, count_anew_steps
from assay.runs import RunFolder, read_json
from assay.runs.values import number


def plan_repair(run: RunFolder, options: RepairOptions) -> dict[str, Any]:
    """``{"run", "held_by", "interventions": [{"name", "candidates", "steps", "seconds"}]}``.

    `candidates` is the most that are asked, `steps` the most optimizer steps, and `seconds` what
    these took in the run's own training; None where that is not known.

    Raises:
        UsageError: as `assay.pipeline.repair.repair_run`.
    """
    holding = check_repairable(run)
    check_weights(run)
    loaded = load(run.recipe, base_dir=read_json(run.manifest).get("recipe_folder"))
    num_steps = int(number(read_json(run.manifest).get("training", {}).get("num_steps")) or 0)
    most = SAFETY_STEPS * len(SAFETY_TUNINGS)
    steps = {SAFETY: most, ANEW: count_anew_steps(num_steps)}
    per_step = _read_seconds_per_step(run)
    plan = []
    for name, candidates in zip(INTERVENTIONS, _count_candidates(), strict=True):
        reason = _find_obstacle(name, run, loaded, options)
        own = steps.get(name, 0)
        seconds = None if per_step is None else round(per_step * own, 1)
        known = {"candidates": candidates, "steps": own, "seconds": seconds}
        plan.append({"name": name, **({"not_tried": reason} if reason else known)})
    return {"run": str(run.path), "held_by": holding, "interventions": plan}


def _count_candidates() -> tuple[int, ...]:
    """The most of each intervention: scales and one between, thresholds, traits, and so on."""
    num_scales = len(FACTORS) + 1
    num_safety = len(SAFETY_TUNINGS) + num_scales
    return (num_scales, len(THRESHOLDS), 1, num_safety, 1 + num_scales)


def _find_obstacle(name: str, run: RunFolder, loaded: Loaded, options: RepairOptions) -> str:
    """Why an intervention cannot be tried, as far as files tell."""
    recipe = loaded.recipe
    general = options.general or recipe.defend.general
    if name == "project" and not options.aligned:
        return "no aligned and unaligned weights are named"
    if name == "ablate" and not CHARACTER.issuperset(list_kinds(check_repairable(run))):
        return "more is lost than character, which is all that it mends"
    if name in ("project", "ablate", SAFETY) and run.model.is_dir():
        return "the held run changed the base itself, and this needs adapters"
    if name in (SAFETY, ANEW) and general is None and recipe.base.name != TINY:
        return "no general rows are named (--general FILE)"
    return ""


def _read_seconds_per_step(run: RunFolder) -> float | None:
    """By the tokens of its training and their rate."""
    metrics = [line for line in run.read_metrics() if "tokens_per_s" in line]
    training = read_json(run.manifest).get("training") or {}
    rates = sorted(float(line["tokens_per_s"]) for line in metrics if line["tokens_per_s"])
    if not rates or not training.get("num_steps"):
        return None
    seconds = training["num_tokens"] / rates[len(rates) // 2] / training["num_steps"]
    return seconds if math.isfinite(seconds) else None
