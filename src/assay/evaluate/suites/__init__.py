"""Suites: named lists of items of one kind, built in or from a JSONL file; they run no model.

The built-in refusal prompts are requests alone, 64 that ought to be refused in 8 categories and
their 64 harmless twins (same `group`): enough to see a habit, too few to certify one. The others
are as small: of honesty 80 questions that can and cannot be answered, 48 of calibration, 20 facts
in three wordings; of fairness 32 decisions about two persons each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from assay.evaluate.choose import MIXED, MetricPlan, assign_metrics, plan_metrics
from assay.evaluate.items import Item, Kind, draw_sample
from assay.evaluate.scorers.agreement import AGREEMENT, name_pair
from assay.evaluate.scorers.parity import COMPARED, PARITY
from assay.evaluate.suites.read import read_items

_FOLDER = Path(__file__).parent
_TINY = "tiny_"
PLAIN = "plain"


@dataclass(frozen=True)
class HarnessPlan:
    """How a task or group of lm-evaluation-harness is asked: its first `max_items` documents.

    `include` is a folder with task files of one's own.
    """

    task: str
    max_items: int
    seed: int
    include: str | None = None


@dataclass(frozen=True)
class Suite:
    """Items of one kind under one name; `metric` is one name or "mixed", `reason` says why.

    `sha256` is of the items as asked, so that two evaluations can be told to have asked the same.
    `built_in` suites are Assay's own, whose gold answers are short. `figures` are what is computed
    of all items together beside the mean (see `assay.evaluate.figures`). `format` is how it is
    asked (see `assay.evaluate.suites.formats`). Items of a `harness` suite are known only once the
    package has asked them.
    """

    name: str
    kind: Kind
    metric: str
    items: list[Item]
    reason: str
    sha256: str
    built_in: bool = False
    figures: tuple[str, ...] = ()
    format: str = PLAIN
    harness: HarnessPlan | None = None


def load_suite(
    path: Path | str, *, kind: Kind, name: str | None = None, metric: str = "auto"
) -> Suite:
    """A suite from a JSONL file; `name` is the file's stem unless given.

    Raises DataError with every bad row located (see `assay.evaluate.suites.read`).
    """
    name = name or Path(path).stem
    items = read_items(Path(path), suite=name, kind=kind)
    return build_suite(items, name=name, kind=kind, metric=metric)


def list_builtin_suites(kind: Kind, *, for_tiny: bool = False) -> list[str]:
    """Names of the built-in suites of a kind: that of the kind, and those that begin with it."""
    names = list_builtin_names(for_tiny=for_tiny)
    return [name for name in names if name == kind or name.startswith(f"{kind}_")]


def list_builtin_names(*, for_tiny: bool = False) -> list[str]:
    """Names of all built-in suites, for general models in English or for the embedded base."""
    stems = [path.stem for path in sorted(_FOLDER.glob("*.jsonl"))]
    if for_tiny:
        return [stem.removeprefix(_TINY) for stem in stems if stem.startswith(_TINY)]
    return [stem for stem in stems if not stem.startswith(_TINY)]


def load_builtin_suite(name: str, *, for_tiny: bool = False) -> Suite:
    """The built-in suite of a name, for general models in English or for the embedded base.

    The embedded base has suites of its own world. Raises ValueError where there is none of that
    name (see `list_builtin_names`).
    """
    path = _FOLDER / f"{_TINY if for_tiny else ''}{name}.jsonl"
    if not path.is_file():
        raise ValueError(f"there is no built-in suite {name!r}")
    with path.open(encoding="utf-8") as lines:
        kind: Kind = json.loads(next(lines))["kind"]
    return replace(load_suite(path, kind=kind, name=name), built_in=True)


def sample_suite(suite: Suite, *, max_items: int, seed: int) -> Suite:
    """The suite with at most `max_items` items, drawn by seed and kept in order.

    Suites of the same length keep the same places, so a refusal prompt keeps its twin. Items that
    are compared with one another are drawn together.
    """
    if suite.harness:
        return suite
    items = draw_items(suite.items, max_items=max_items, seed=seed)
    return replace(suite, items=items, metric=_metric_of(items), sha256=compute_items_sha256(items))


def draw_items(items: Sequence[Item], *, max_items: int, seed: int) -> list[Item]:
    """At most `max_items` items by seed, in order; of those that must agree whole groups."""
    if not any(item.metric in COMPARED for item in items):
        return draw_sample(items, max_items=max_items, seed=seed)
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(name_pair(item), []).append(item)
    largest = max(map(len, groups.values()))
    drawn = draw_sample(list(groups.values()), max_items=max(1, max_items // largest), seed=seed)
    return [item for group in drawn for item in group]


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
    return Suite(
        name=name,
        kind=kind,
        metric=_metric_of(settled),
        items=settled,
        reason=f"the suite is of kind {kind}" if judged_by_kind else plan.reason,
        sha256=compute_items_sha256(settled),
    )


def is_pooled(suite: Suite, kind: Kind) -> bool:
    """Whether a suite's items stand for its kind, which gates read: in plain chat alone.

    In other formats a model may lose what it does in none of its uses (a narrow one answers
    whatever stands under its own system prompt as its task), so they are shown and hold nothing.
    Of two groups one is served better by as much as the other is served worse, so suites of parity
    are judged by themselves alone.
    """
    return suite.kind == kind and suite.format == PLAIN and suite.metric != PARITY


def compute_items_sha256(items: Sequence[Item]) -> str:
    """SHA-256 (hex) of what is asked and what counts as right, in order."""
    asked = [
        [
            *(item.id, item.messages, item.tools, item.rendering),
            *(item.reference, item.alternatives, item.metric, item.options),
            *((item.choices, item.golds) if item.choices else ()),
            *((item.group,) if item.metric == AGREEMENT else ()),
        ]
        for item in items
    ]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _metric_of(items: Sequence[Item]) -> str:
    names = {item.metric for item in items}
    return names.pop() if len(names) == 1 else MIXED


__all__ = [
    "PLAIN",
    "HarnessPlan",
    "Suite",
    "build_suite",
    "compute_items_sha256",
    "draw_items",
    "is_pooled",
    "list_builtin_names",
    "list_builtin_suites",
    "load_builtin_suite",
    "load_suite",
    "sample_suite",
]
