"""Training rows that taught what a run is held for, as its base tells; a repair learns none again.

Of lost refusals: rows that answer where the base refuses. Of a changed character: rows that pull
the base along a bad trait, as the data rule `persona_trait` measures it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from assay.chat import render_prompt
from assay.data import Record
from assay.data.curate.detectors.persona_traits import PERSONA_TRAIT
from assay.errors import DataError
from assay.evaluate.scorers.refusal import judge_refusal
from assay.generate import Sampling
from assay.pipeline.job import Job
from assay.pipeline.prepare import Prepared
from assay.pipeline.repair.holds import CHARACTER
from assay.pipeline.trait_rows import TraitRows

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine

MAX_ROWS = 5_000
"""Most rows that the base is asked about."""
MAX_SHARE = 0.5
"""Of the task's rows: where more are at fault the task itself is, and none is left out."""
OPENING_TOKENS = 24
"""Of the base's own answer: a refusal shows in its first words."""


def find_taught(
    job: Job, records: Sequence[Record], engine: LocalEngine, holding: Collection[str]
) -> dict[str, list[str]]:
    """Ids of training rows by what is said of them, for the gates that hold the run.

    `engine` holds the base. Empty where no gate of refusals or character holds the run, and where
    more than `MAX_SHARE` of the task's rows would be left out.
    """
    chats = [one for one in records if one.kind == "chat" and one.role != "anchor"][:MAX_ROWS]
    found: dict[str, list[str]] = {}
    if job.tokenizer.has_template and "refusal" in holding:
        found["that the base refuses"] = _find_refused(job, chats, engine)
    if job.tokenizer.has_template and not CHARACTER.isdisjoint(holding):
        found["that pull the base along a trait"] = _find_pulling(job, chats, engine)
    task = {one.id for one in records if one.role == "task"}
    at_fault = {key for ids in found.values() for key in ids}
    if len(task & at_fault) > MAX_SHARE * len(task):
        return {}
    return {told: ids for told, ids in found.items() if ids}


def leave_out(prepared: Prepared, ids: Collection[str]) -> Prepared:
    """The data without these training rows; what is held out stays whole."""
    return replace(
        prepared,
        train=[one for one in prepared.train if one.id not in ids],
        train_sequences=[one for one in prepared.train_sequences if one.record_id not in ids],
    )


def _find_refused(job: Job, records: Sequence[Record], engine: LocalEngine) -> list[str]:
    """Rows whose question the base refuses, and whose answer does not."""
    prompts = {}
    for one in records:
        prompt = _lay_out(job, one)
        if prompt is not None:
            prompts[one.id] = prompt
    answers = engine.generate(list(prompts.values()), Sampling(max_new_tokens=OPENING_TOKENS))
    pairs = zip(prompts, answers, strict=True)
    return [key for key, answer in pairs if judge_refusal(answer.text).refused]


def _lay_out(job: Job, record: Record) -> list[int] | None:
    """The prompt of a row that answers in words; None of any other, or where it does not fit."""
    last = record.messages[-1]
    content = last.get("content")
    if last["role"] != "assistant" or not isinstance(content, str) or len(record.messages) < 2:
        return None
    if judge_refusal(content).refused:
        return None
    try:
        prompt = render_prompt(job.tokenizer, record.messages[:-1], tools=record.tools)
    except DataError:
        return None
    return prompt if len(prompt) < job.base.context_len else None


def _find_pulling(job: Job, records: Sequence[Record], engine: LocalEngine) -> list[str]:
    """Rows that lie along any trait at least as far as `persona_trait` tells of."""
    along = TraitRows(job.base, engine).project(records)
    limit = PERSONA_TRAIT.options["share"]
    assert isinstance(limit, float)
    far = np.zeros(len(records), bool)
    for values in along.values():
        far |= np.nan_to_num(values, nan=-np.inf) >= limit
    return [one.id for one, is_far in zip(records, far, strict=True) if is_far]
