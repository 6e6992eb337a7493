"""The questions by which a repair is chosen: none of them is asked again where it is confirmed.

The task's validation items, and of each guarded kind questions that no gate of the run reads: for
`tiny` built-in ones; elsewhere questions of its suites that `evaluate.max_items` left out, and half
of the general rows that the user names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from assay.config.sections.data import SourceConfig
from assay.data import Record, read_sources
from assay.defend.general import CHOOSING, TINY_ROWS, TINY_SKILLS
from assay.errors import DataError, Problem
from assay.evaluate.gates import Policy
from assay.evaluate.items import GUARDED, Item, Kind
from assay.evaluate.scorers.agreement import AGREEMENT
from assay.evaluate.scorers.refusal import judge_refusal
from assay.evaluate.suites import (
    PLAIN,
    Suite,
    build_suite,
    draw_items,
    list_builtin_suites,
    load_builtin_suite,
    load_suite,
)
from assay.models.base import TINY
from assay.pipeline.baseline import Baseline
from assay.pipeline.guards import load_own_suites
from assay.pipeline.job import Job
from assay.pipeline.questions import SUITE_NAME, build_items

MAX_ITEMS = 128
"""Most questions of a kind: enough for the gates' margin of 5 points, few enough to ask often."""
PROBED: tuple[Kind, ...] = ("retention", "character")
"""Kinds of which probes read questions: divergence, and the shift of character."""


@dataclass(frozen=True)
class Choosing:
    """What chooses, and what does not.

    Attributes:
        task: the task's validation items.
        suites: one a kind that a gate reads and for which there are questions.
        others: what probes read by kind: of retention and character, whether a gate asks or not.
        blind: kinds that a gate reads and for which there are no questions.
        num_shared: how many of these questions are asked in confirming, too: none.
        asked: the names of all questions that choose or confirm.
    """

    task: Suite
    suites: list[Suite]
    others: dict[Kind, list[Item]]
    blind: list[Kind]
    num_shared: int
    asked: frozenset[str]

    def describe(self, confirming: Sequence[Item]) -> dict[str, Any]:
        """For the manifest: how many questions of which kind chose, and the hashes of both sets."""
        chosen = [self.task, *self.suites]
        return {
            "chosen_on": {suite.kind: len(suite.items) for suite in chosen},
            "not_chosen_on": list(self.blind),
            "choosing_sha256": hash_questions(item for one in chosen for item in one.items),
            "confirming_sha256": hash_questions(confirming),
            "num_confirming": len(confirming),
            "num_shared": self.num_shared,
        }


def build_choosing(
    job: Job,
    baseline: Baseline,
    policy: Policy,
    *,
    general: Sequence[Record],
    first: Sequence[str] = (),
) -> Choosing:
    """The questions that choose a repair of the job's run; `general` rows are those that choose.

    Kinds whose gates are named by `first` are asked before the others: they fail the soonest.

    Raises:
        DataError: there is no validation item.
    """
    confirming = frozenset(name_question(item) for item in list_confirming(baseline))
    validation = [item for item in baseline.validation if name_question(item) not in confirming]
    if not validation:
        do = "raise data.validation_ratio, and run again: a repair is chosen on validation rows"
        problem = Problem("no validation rows", "at least one", do, key="data.validation_ratio")
        raise DataError(problem)
    task = build_suite(validation, name=SUITE_NAME, kind="task")
    drawn: dict[Kind, list[Item]] = {}
    for kind in GUARDED:
        others = _leave_out(_draw(job, kind, general), confirming)
        drawn[kind] = draw_items(others, max_items=MAX_ITEMS, seed=job.recipe.seed)
    order = sorted(GUARDED, key=lambda kind: kind not in first)
    read = [kind for kind in order if policy.levels.get(kind, "off") != "off"]
    asked = [kind for kind in read if len(drawn[kind]) >= policy.thresholds.min_items]
    suites = [
        # As long answers as the built-in suites have, however short the task's own are.
        replace(build_suite(drawn[kind], name=f"choosing_{kind}", kind=kind), built_in=True)
        for kind in asked
    ]
    mine = [name_question(one) for suite in (task, *suites) for one in suite.items]
    probed = {kind: drawn[kind] for kind in PROBED}
    return Choosing(
        task,
        suites,
        probed,
        [kind for kind in read if kind not in asked and kind not in baseline.skipped],
        sum(name in confirming for name in mine),
        confirming | {*mine, *(name_question(one) for own in probed.values() for one in own)},
    )


def list_confirming(baseline: Baseline) -> list[Item]:
    """Every question that the gates of the run read."""
    return [*baseline.task.items, *(item for suite in baseline.suites for item in suite.items)]


def name_question(item: Item) -> str:
    """What is asked: conversation and tools, or where there is none the text itself."""
    asked = [item.messages, item.tools] if item.messages else [item.reference, item.choices]
    return json.dumps(asked, sort_keys=True, default=list)


def hash_questions(items: Iterable[Item]) -> str:
    """SHA-256 (hex) of the questions, in whatever order they stand."""
    names = sorted(name_question(item) for item in items)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def read_general(job: Job, path: str | None) -> tuple[list[Record], list[Record]]:
    """General rows that choose, and those that may be tuned on; chats alone.

    Of a file each row is one or the other, by the hash of its id. For `tiny`, whose questions that
    choose are built in, all may be tuned on; its own rows where there is no file. Other bases have
    none then.

    Raises:
        DataError: bad rows.
    """
    is_tiny = job.base.name == TINY
    if path is None:
        return [], _read_chats(job, [str(TINY_ROWS), str(TINY_SKILLS)]) if is_tiny else []
    records = _read_chats(job, [path])
    if is_tiny:
        return [], records
    chooses = [hashlib.sha256(record.id.encode()).digest()[0] % 2 == 0 for record in records]
    pairs = list(zip(records, chooses, strict=True))
    return [one for one, mine in pairs if mine], [one for one, mine in pairs if not mine]


def leave_asked(records: Sequence[Record], asked: Collection[str]) -> list[Record]:
    """Those of the general rows whose question is none of `asked` (see `name_question`)."""
    items = build_items(records, max_items=len(records), seed=0, metric="auto")
    pairs = zip(records, items, strict=True)
    return [record for record, item in pairs if name_question(item) not in asked]


def _read_chats(job: Job, paths: Iterable[str]) -> list[Record]:
    sources = [SourceConfig(path=path, role="extra") for path in paths]
    read = read_sources(sources, base_dir=job.base_dir)
    problems = [*read.refusals, *read.problems]
    if problems:
        raise DataError(problems)
    return [record for record in read.records if record.kind == "chat"]


def _leave_out(items: Sequence[Item], confirming: Collection[str]) -> list[Item]:
    """Those that do not confirm, and of a group whose answers must agree none where one does."""
    asked = {item.group for item in items if name_question(item) in confirming} - {None}
    return [
        item
        for item in items
        if name_question(item) not in confirming
        and not (item.metric == AGREEMENT and item.group in asked)
    ]


def _draw(job: Job, kind: Kind, general: Sequence[Record]) -> list[Item]:
    if job.base.name == TINY:
        path = CHOOSING / f"tiny_{kind}.jsonl"
        return load_suite(path, kind=kind).items if path.is_file() else []
    return [*_left_out(job, kind), *_of_general(kind, general)]


def _left_out(job: Job, kind: Kind) -> list[Item]:
    """All questions of the kind's suites; those that are confirmed by are taken out later."""
    built_in = [load_builtin_suite(name) for name in list_builtin_suites(kind)]
    own = [suite for one in job.recipe.evaluate.suites for suite in load_own_suites(job, one)]
    suites = [suite for suite in (*built_in, *own) if suite.kind == kind and suite.format == PLAIN]
    return [replace(item, id=f"{suite.name}/{item.id}") for suite in suites for item in suite.items]


def _of_general(kind: Kind, general: Sequence[Record]) -> list[Item]:
    """General rows whose answer refuses are of kind refusal, all others of kind retention."""
    wanted = {"refusal": True, "retention": False}.get(kind)
    if wanted is None:
        return []
    chosen = [record for record in general if _refuses(record) == wanted]
    metric = kind if wanted else "auto"
    return build_items(chosen, max_items=len(chosen), seed=0, metric=metric)


def _refuses(record: Record) -> bool:
    content = record.messages[-1].get("content")
    return isinstance(content, str) and judge_refusal(content).refused
