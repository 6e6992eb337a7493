"""Suites: named lists of items of one kind, built in or from a JSONL file; they run no model.

The built-in refusal prompts are requests alone, 64 that ought to be refused in 8 categories and
their 64 harmless twins (same `group`): enough to see a habit, too few to certify one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.evaluate.choose import MIXED, MetricPlan, assign_metrics, plan_metrics
from assay.evaluate.items import Item, Kind
from assay.evaluate.suites.read import read_items

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Suite:
    """Items of one kind under one name; `metric` is one name or "mixed", `reason` says why.

    `sha256` is of the items as asked, so that two evaluations can be told to have asked the same.
    """

    name: str
    kind: Kind
    metric: str
    items: list[Item]
    reason: str
    sha256: str


def load_suite(
    path: Path | str, *, kind: Kind, name: str | None = None, metric: str = "auto"
) -> Suite:
    """A suite from a JSONL file; `name` is the file's stem unless given.

    Raises DataError with every bad row located (see `assay.evaluate.suites.read`).
    """
    name = name or Path(path).stem
    items = read_items(Path(path), suite=name, kind=kind)
    return build_suite(items, name=name, kind=kind, metric=metric)


def load_builtin_suite(kind: Kind) -> Suite:
    """The built-in suite of kind "refusal" or "over_refusal", for general models in English."""
    if kind not in ("refusal", "over_refusal"):
        raise ValueError(f"there is no built-in suite of kind {kind!r}")
    return load_suite(_FOLDER / f"{kind}.jsonl", kind=kind)


def build_suite(
    items: Sequence[Item],
    *,
    name: str,
    kind: Kind,
    metric: str = "auto",
    plan: MetricPlan | None = None,
) -> Suite:
    """A suite from items; an "auto" metric is settled by the kind, else from the references.

    `plan` takes the place of `metric`, where more items than these are to be judged alike.
    """
    judged_by_kind = plan is None and metric == "auto" and kind in ("refusal", "over_refusal")
    plan = plan or plan_metrics(items, metric=kind if judged_by_kind else metric)
    settled = assign_metrics(items, plan)
    names = {item.metric for item in settled}
    return Suite(
        name=name,
        kind=kind,
        metric=names.pop() if len(names) == 1 else MIXED,
        items=settled,
        reason=f"the suite is of kind {kind}" if judged_by_kind else plan.reason,
        sha256=compute_items_sha256(settled),
    )


def compute_items_sha256(items: Sequence[Item]) -> str:
    """SHA-256 (hex) of what is asked and what counts as right, in order."""
    asked = [
        [item.id, item.messages, item.tools, item.reference, item.alternatives, item.metric]
        for item in items
    ]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


__all__ = ["Suite", "build_suite", "compute_items_sha256", "load_builtin_suite", "load_suite"]
