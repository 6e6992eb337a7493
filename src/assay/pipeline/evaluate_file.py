"""Scores one model on one data file, outside any run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assay.config import SourceConfig
from assay.data import read_sources
from assay.errors import DataError
from assay.evaluate.compare import Resampling
from assay.evaluate.log import build_item_line
from assay.evaluate.report import MeasuredSuite, build_suite_report
from assay.evaluate.scorers import score_outputs
from assay.evaluate.suites import build_suite
from assay.generate import Sampling
from assay.pipeline.questions import SUITE_NAME, build_items, build_prompt
from assay.pipeline.subject import Subject
from assay.runs.metrics import append_line


def evaluate_file(
    subject: Subject,
    path: Path,
    *,
    metric: str,
    max_items: int,
    max_new_tokens: int,
    seed: int,
    out: Path | None = None,
) -> dict[str, Any]:
    """A suite report as in evaluation.json, under ``tuned``; `out` gets a line for each item.

    Raises:
        DataError: every bad row of the file.
    """
    read = read_sources([SourceConfig(path=str(path))], base_dir=Path())
    if read.problems or read.refusals:
        raise DataError([*read.refusals, *read.problems])
    items = build_items(read.records, max_items=max_items, seed=seed, metric=metric)
    suite = build_suite(items, name=SUITE_NAME, kind="task", metric=metric)
    budget = max(1, subject.base.context_len - max_new_tokens)
    prompts = [build_prompt(i, subject.base.tokenizer, max_tokens=budget) for i in suite.items]
    generations = subject.engine.generate(
        prompts, Sampling(max_new_tokens=max_new_tokens, seed=seed)
    )
    outputs = [generation.text for generation in generations]
    scores = score_outputs(suite.items, outputs, base_dir=Path())
    for item, output in zip(suite.items, outputs, strict=True) if out else ():
        append_line(
            out or Path(), build_item_line(item, {"tuned": output}, {"tuned": scores[item.id]})
        )
    return build_suite_report(MeasuredSuite(suite, {"tuned": scores}), Resampling(seed=seed))
