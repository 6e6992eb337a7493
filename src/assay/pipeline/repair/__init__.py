"""`assay repair`: a held run to one that passes, where that can be mended, and what it costs.

`run` leads; `trial` tries the interventions in turn, `weigh` judges what each gave.
"""

from __future__ import annotations

from assay.pipeline.repair.child import RepairOptions
from assay.pipeline.repair.plan import plan_repair
from assay.pipeline.repair.run import repair_run

__all__ = ["RepairOptions", "plan_repair", "repair_run"]
