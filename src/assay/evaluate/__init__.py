"""Evaluation: suites, scorers, paired statistics and gates; it is given outputs and runs no model.

The way through: items (`build_suite`, `load_suite`) → outputs from an engine → `score_outputs` →
`MeasuredSuite` → `build_evaluation` → `evaluate_gates` → `decide_verdict`.
"""

from __future__ import annotations

from assay.evaluate.choose import MetricPlan, assign_metrics, plan_metrics
from assay.evaluate.compare import Resampling, compare_scores, summarise_scores
from assay.evaluate.gates import (
    GateResult,
    Policy,
    Verdict,
    decide_verdict,
    evaluate_gates,
    load_policy,
    override_thresholds,
)
from assay.evaluate.items import VARIANTS, Item, Kind, Score
from assay.evaluate.log import build_item_line, read_item_line
from assay.evaluate.prompting import PromptChoice, choose_prompting
from assay.evaluate.report import MeasuredSuite, Validation, build_evaluation
from assay.evaluate.scorers import METRICS, score_outputs, score_perplexity
from assay.evaluate.suites import Suite, build_suite, load_builtin_suite, load_suite

__all__ = [
    "METRICS",
    "VARIANTS",
    "GateResult",
    "Item",
    "Kind",
    "MeasuredSuite",
    "MetricPlan",
    "Policy",
    "PromptChoice",
    "Resampling",
    "Score",
    "Suite",
    "Validation",
    "Verdict",
    "assign_metrics",
    "build_evaluation",
    "build_item_line",
    "build_suite",
    "choose_prompting",
    "compare_scores",
    "decide_verdict",
    "evaluate_gates",
    "load_builtin_suite",
    "load_policy",
    "load_suite",
    "override_thresholds",
    "plan_metrics",
    "read_item_line",
    "score_outputs",
    "score_perplexity",
    "summarise_scores",
]
