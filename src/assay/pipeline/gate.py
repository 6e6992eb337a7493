"""The gates of one run: the recipe's policy on its evaluation and on what was saved; no verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.config import Loaded
from assay.evaluate.gates import (
    GateResult,
    Policy,
    evaluate_gates,
    load_policy,
    override_thresholds,
)
from assay.pipeline.job import Job
from assay.pipeline.rewards import compare_saved
from assay.runs import RunFolder, read_json

if TYPE_CHECKING:
    from assay.models.export import Probe


def load_gate_policy(given: Loaded | Job) -> Policy:
    """The recipe's policy with the recipe's margins.

    Raises:
        ConfigError: a policy file that cannot be read, or is wrong.
    """
    config = given.recipe.gates
    policy = load_policy(config.policy, base_dir=given.base_dir)
    set_by_recipe = {
        name: getattr(config.thresholds, name)
        for name in config.thresholds.model_fields_set
        if getattr(config.thresholds, name) is not None
    }
    return override_thresholds(policy, set_by_recipe)


def judge_run(run: RunFolder, evaluation: dict[str, Any], policy: Policy) -> list[GateResult]:
    """Every gate; where the integrity check failed, its gates are not measured and say why."""
    findings = read_json(run.data_report).get("findings", {}) if run.data_report.exists() else {}
    integrity = dict(evaluation.get("integrity", {}))
    failure = integrity.pop("failure", "")
    gates = evaluate_gates({**evaluation, "data": findings}, integrity, policy)
    return [
        replace(gate, reason=f"{gate.reason} The check failed: {failure}.")
        if failure and gate.name.startswith("integrity/")
        else gate
        for gate in gates
    ]


def check_saved(job: Job, probe: Probe) -> dict[str, Any]:
    """What `judge_integrity` reads, for evaluation.json; or ``{"failure": why}``."""
    try:
        found = compare_saved(job, probe)
    # Whatever it is (memory, disk, foreign model code), hours of training are not lost over it.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        job.progress.note(f"the integrity check failed: {reason}")
        return {"failure": reason}
    merged: dict[str, Any] = {"difference": found.merge_difference, "tolerance": found.tolerance}
    if found.merge_difference is None:
        merged = {"not_applicable": found.not_merged}
    return {
        "adapter_reloads": {"difference": found.reload_difference, "tolerance": found.tolerance},
        "merged_equals_adapter": merged,
        "template_unchanged": found.template_unchanged,
    }
