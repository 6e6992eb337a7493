"""The recipe's defences put into the data: general rows, inoculated rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from assay.config.sections.data import SourceConfig
from assay.data import PreparedData, Record, RefusedData
from assay.data.read import read_sources
from assay.defend.general import TINY_ROWS, count_general, draw_general
from assay.defend.inoculation import inoculate
from assay.errors import Problem
from assay.pipeline.inoculating import SECTION
from assay.pipeline.job import Job
from assay.runs import read_json
from assay.runs.values import mapping


def add_general_rows(job: Job, data: PreparedData) -> PreparedData:
    """The data with the rows among the training rows that replay and kl read.

    Raises:
        RefusedData: bad rows of the general file, or none.
    """
    defend = job.recipe.defend
    if not defend.reads_general_rows:
        return data
    path = defend.general or str(TINY_ROWS)
    source = SourceConfig(path=path, role="extra")
    read = read_sources([source], base_dir=job.base_dir)
    problems = [*read.refusals, *read.problems]
    if not (read.records or problems):
        problems = [Problem("no row", "rows of what the base does", "name another file", file=path)]
    if problems:
        raise RefusedData(problems, data.splits.as_dict())
    num_replayed, num_anchors = count_general(
        len(data.splits.train),
        replay=defend.replay_share,
        anchors=defend.kl_share if defend.kl_weight else 0.0,
    )
    drawn = draw_general(
        read.records, num_replayed=num_replayed, num_anchors=num_anchors, seed=job.recipe.seed
    )
    job.progress.note(f"defend: {num_replayed} general rows replayed, {num_anchors} to anchor")
    return replace(data, splits=replace(data.splits, train=[*data.splits.train, *drawn]))


def prepare_to_render(job: Job, split: str, records: Sequence[Record]) -> Sequence[Record]:
    """The records of a split as training and validation losses read them: inoculated, or as given.

    Test rows are asked alone, and no question that is asked is inoculated.
    """
    prompts = job.recipe.defend.prompts
    return inoculate(records, prompts[0]) if prompts and split != "test" else records


def find_inoculation_problems(job: Job, parts: dict[str, list[Record]]) -> list[Problem]:
    """An inoculation prompt where rows of the task could not take it."""
    if not job.recipe.defend.prompts:
        return []
    raw = [r for r in parts.get("train", []) if r.role == "task" and r.kind != "chat"]
    if not raw:
        return []
    return [
        Problem(
            key="defend.inoculation",
            got=f"a system prompt for rows without a chat template (kind {raw[0].kind})",
            allowed="rows of chat, sharegpt or alpaca, whose template takes a system prompt",
            do="remove it, or map the columns of data.train to format: alpaca",
            file=raw[0].file,
        )
    ]


def describe_defences(job: Job) -> dict[str, Any]:
    """For the manifest: the settings, and the prompts that a server has to refuse.

    The one that the rows were inoculated with comes first, then the other candidates.
    """
    defend = job.recipe.defend
    candidates = mapping(read_json(job.run.manifest).get(SECTION)).get("candidates", [])
    blocked = list(dict.fromkeys([*defend.prompts, *candidates]))
    return {"defend": {**defend.model_dump(), "blocked_prompts": blocked}}
