"""Every detector, by the module that holds it; a module is named here and nowhere else."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from assay.data.curate.detector import Detector
from assay.data.curate.finding import Rule

MODULES = (
    "reading",
    "form_turns",
    "form_calls",
    "form_encoding",
    "form_leftovers",
    "form_markup",
    "form_blanks",
    "form_balance",
    "form_echo",
    "form_lengths",
    "form_language",
    "privacy",
    "format_base",
    "format_set",
    "secrets",
    "canaries",
    "recognised_names",
    "copies",
    "near",
    "leakage",
    "contradictions",
    "judge_traces",
    "preference",
    "quality_set",
    "quality_model",
    "persona",
    "persona_traits",
    "fairness",
    "provenance",
    "poison_hidden",
    "poison_text",
    "poison_calls",
    "poison_triggers",
    "poison_outliers",
)
"""Modules of this folder, in the order of the report; each holds `DETECTORS`."""


@cache
def list_detectors() -> tuple[Detector, ...]:
    """All detectors, in order."""
    modules = (import_module(f"{__name__}.{name}") for name in MODULES)
    return tuple(detector for module in modules for detector in module.DETECTORS)


@cache
def list_rules() -> dict[str, Rule]:
    """All rules by name, in the order of their detectors."""
    return {rule.name: rule for detector in list_detectors() for rule in detector.rules}
