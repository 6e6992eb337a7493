"""Scope: is a prompt of the kind that an adapter was tuned on? Scores, and a calibrated threshold.

It is given hidden states and likelihoods as numbers, and runs no model.
"""

from assay.evaluate.scope.conformal import compute_p_value, compute_threshold, count_needed
from assay.evaluate.scope.file import load_scope, save_scope
from assay.evaluate.scope.fit import Pools, Prompts, fit_scope
from assay.evaluate.scope.scope import Part, Scope

__all__ = [
    "Part",
    "Pools",
    "Prompts",
    "Scope",
    "compute_p_value",
    "compute_threshold",
    "count_needed",
    "fit_scope",
    "load_scope",
    "save_scope",
]
