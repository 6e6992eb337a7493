"""What is wrong with data, row by row, and how to mend it into a new version; it knows no model.

rows ─▶ detectors ─▶ findings ─▶ plan ─▶ version
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from assay.data.curate.check import Checked, check_parts, check_rows, settle
from assay.data.curate.detector import Given
from assay.data.curate.detectors import list_detectors, list_rules
from assay.data.curate.finding import Finding, Rule, Span
from assay.data.curate.settings import Settings

if TYPE_CHECKING:
    from assay.data.curate.python import CuratedRows

__all__ = [
    "Checked",
    "Finding",
    "Given",
    "Rule",
    "Settings",
    "Span",
    "check_parts",
    "check_rows",
    "list_detectors",
    "list_rules",
    "settle",
]


class _Callable(ModuleType):
    """This package, which can be called: `assay.data.curate(rows)` mends rows in memory."""

    def __call__(self, rows: Any, **settings: Any) -> CuratedRows:
        """See `assay.data.curate.python.curate`."""
        from assay.data.curate.python import curate

        return curate(rows, **settings)


sys.modules[__name__].__class__ = _Callable
