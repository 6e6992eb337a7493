"""Rows that are learned from and stand among those that measure the result, too."""

from __future__ import annotations

from assay.data.curate.detector import Detector
from assay.data.curate.finding import Rule

LEAKED_ROW = Rule(
    "leaked_row",
    "leakage",
    "error",
    "drop",
    "A row, or a group of data.group_by, that stands in two splits: what it measures is memory.",
)

DETECTORS = (Detector("leakage", (LEAKED_ROW,)),)
