"""Scores one model on one data file, outside any run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.config import SourceConfig
from assay.data import Record, read_sources
from assay.errors import DataError, Problem
from assay.evaluate.compare import Resampling
from assay.evaluate.log import build_item_line
from assay.evaluate.report import MeasuredSuite, build_suite_report
from assay.evaluate.scorers import check_metrics
from assay.evaluate.suites import build_suite
from assay.generate import Sampling
from assay.pipeline.measure import Examiner
from assay.pipeline.questions import HEADS, SUITE_NAME, build_items
from assay.pipeline.subject import Subject
from assay.runs.metrics import append_line


def evaluate_file(
    subject: Subject,
    source: SourceConfig,
    *,
    metric: str,
    max_items: int,
    max_new_tokens: int,
    seed: int,
    out: Path | None = None,
) -> dict[str, Any]:
    """A suite report as in evaluation.json, under ``tuned``; `out` gets a line for each item.

    Of rows of preference it is told which answer is likelier, of rated ones whether wanted answers
    are. Rows without a system prompt get the one that the subject was trained with. An older file
    at `out` is replaced.

    Raises:
        DataError: every bad row of the file.
        ConfigError: a metric of the user's own cannot be loaded, or fails on an answer.
    """
    read = read_sources([source], base_dir=Path(), wanted=None)
    if read.problems or read.refusals:
        raise DataError([*read.refusals, *read.problems])
    _refuse_metric(read.records, metric)
    records = [_with_system(record, subject.system) for record in read.records]
    items = build_items(records, max_items=max_items, seed=seed, metric=metric)
    suite = build_suite(items, name=SUITE_NAME, kind="task", metric=metric)
    check_metrics({item.metric for item in suite.items}, base_dir=Path())
    examiner = Examiner(
        engine=subject.engine,
        base=subject.base,
        sampling=Sampling(max_new_tokens=max_new_tokens, seed=seed),
        batch_size=subject.engine.batch_size,
        base_dir=Path(),
        variant="tuned",
    )
    answers = examiner.measure(suite.items, name=SUITE_NAME)
    if out:
        out.unlink(missing_ok=True)
        for item in suite.items:
            output, score = answers.outputs[item.id], answers.scores[item.id]
            append_line(out, build_item_line(item, {"tuned": output}, {"tuned": score}))
    measured = MeasuredSuite(suite, {"tuned": answers.scores}, counts={"tuned": answers.counts})
    return build_suite_report(measured, Resampling(seed=seed))


def _refuse_metric(records: Sequence[Record], metric: str) -> None:
    """A metric of written answers for rows that say which answer is likelier."""
    compared = next((record for record in records if record.objective != "answers"), None)
    if compared is not None and metric != "auto":
        raise DataError(
            compared.locate(
                Problem(
                    f"metric {metric} for rows of {compared.objective}",
                    "auto, which tells whether wanted answers are likelier than others",
                    "leave the metric out",
                )
            )
        )


def _with_system(record: Record, system: str | None) -> Record:
    if system is None or record.kind != "chat" or record.messages[0]["role"] in HEADS:
        return record
    messages = [{"role": "system", "content": system}, *record.messages]
    return replace(record, messages=messages)
