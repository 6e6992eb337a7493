"""The rules about rows that should measure the result, and were learned from."""

from __future__ import annotations

from assay.data.curate.bands import BandPlan
from assay.data.curate.finding import Rule
from assay.data.curate.settings import Settings

LEAKED_ROW = Rule(
    "leaked_row",
    "leakage",
    "error",
    "drop",
    "A row, or a group of data.group_by, that stands in two splits: what it measures is memory.",
    options={"words": 13, "threshold": 0.95},
)
NEAR_LEAKED_ROW = Rule(
    "near_leaked_row",
    "leakage",
    "warning",
    "drop",
    "A training row that asks almost the same as a held-out one, or holds most of its question.",
    options={"threshold": 0.8},
)
OVERLAPPING_TEXT = Rule(
    "overlapping_text",
    "leakage",
    "warning",
    "keep",
    "A training row that shares a passage with a held-out one, which few other training rows hold.",
    options={"words": 13, "characters": 50},
)
RULES = (LEAKED_ROW, NEAR_LEAKED_ROW, OVERLAPPING_TEXT)


def plan_bands(settings: Settings) -> BandPlan:
    """The bands for the threshold of `near_leaked_row`."""
    return BandPlan(settings.option(NEAR_LEAKED_ROW.name, "threshold"))
