"""The reward of a grader as a score: grades are made elsewhere, since a grader may ask models."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from assay.evaluate.items import Score, failed

GRADED = "reward"
"""The metric of items whose completions a grader judges."""
UNGRADED = frozenset({"python_grader_server_error", "model_grader_server_error", "other_error"})
"""What went wrong with the grader itself: of the completion it says nothing."""


def score_grade(
    reward: float,
    *,
    errors: Collection[str] = (),
    detail: str = "",
    parts: Mapping[str, float] | None = None,
) -> Score:
    """The score of a grade; none where the grader itself failed.

    The value is the reward as it is, which need not lie between 0 and 1; 1 or more is right.
    """
    if UNGRADED & set(errors):
        return failed(GRADED, detail or ", ".join(sorted(errors)))
    told = {"errors": sorted(errors), "parts": dict(parts or {})}
    shown = {name: value for name, value in told.items() if value}
    return Score(GRADED, reward, reward >= 1.0, shown)
