"""The rule for rows that cannot be read as examples; the reader itself finds them."""

from __future__ import annotations

from assay.data.curate.detector import Detector
from assay.data.curate.finding import Rule

UNUSABLE_ROW = Rule(
    "unusable_row",
    "form",
    "error",
    "drop",
    "A row that no example can be made of: broken JSON, a missing role or answer, a tool call that "
    "was not offered, a byte that is not UTF-8.",
)

DETECTORS = (Detector("reading", (UNUSABLE_ROW,)),)
