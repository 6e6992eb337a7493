"""What is wrong with data, row by row, and how to mend it into a new version; it knows no model.

rows ─▶ detectors ─▶ findings ─▶ plan ─▶ version
"""

from assay.data.curate.check import Checked, check_parts, check_rows, settle
from assay.data.curate.detector import Given
from assay.data.curate.detectors import list_detectors, list_rules
from assay.data.curate.finding import Finding, Rule, Span

__all__ = [
    "Checked",
    "Finding",
    "Given",
    "Rule",
    "Span",
    "check_parts",
    "check_rows",
    "list_detectors",
    "list_rules",
    "settle",
]
