"""A run of Assay for the benchmarks: a recipe's job, with rows that are tokens already."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.data import TokenSequence
from assay.data.pack import plan_epoch
from assay.pipeline.batches import TrainingRows, build_rows
from assay.pipeline.check import load_checked
from assay.pipeline.job import Job
from assay.pipeline.progress import PlainProgress
from assay.pipeline.subject import find_recipe_base
from assay.pipeline.tokens import Sequences
from assay.runs import RunFolder


def build_job(
    output: str,
    *,
    base: str,
    method: dict[str, Any],
    train: dict[str, Any],
    rows: Path | None = None,
) -> Job:
    """The job of a recipe that says this much; all else is as recipes have it.

    Without `rows`, a file of prompts and completions, training is to be given tokens.
    """
    folder = Path(output)
    if rows is None:
        rows = folder / "rows.jsonl"  # a recipe must name some all the same
        rows.write_text('{"prompt": "w4", "completion": "w5"}\n' * 8, "utf-8")
    recipe = {
        "base": base,
        "data": {"train": str(rows), "validation_ratio": 0},
        "method": method,
        "train": train,
        "output": str(folder / "runs"),
    }
    (folder / "recipe.yaml").write_text(json.dumps(recipe), "utf-8")
    loaded = load_checked(folder / "recipe.yaml", ())
    run = RunFolder.create(loaded.recipe.output, "benchmark", json.dumps(recipe))
    base_files = find_recipe_base(loaded, run)
    return Job(loaded.recipe, loaded.base_dir, run, base_files, PlainProgress())


def place_rows(job: Job, rows: Sequence[dict[str, list[int]]], source: str) -> TrainingRows:
    """Rows to train on, placed so that the seed's shuffling gives them in their own order.

    A row has ``input_ids``, and ``labels`` with -100 where it is not trained.
    """
    size, seed = job.recipe.train.batch_size, job.recipe.seed
    plan = plan_epoch(len(rows), batch_size=size, seed=seed, epoch=0)
    sequences: dict[int, TokenSequence] = {}
    for row, place in zip(rows, (i for step in plan for i in step), strict=True):
        sequences[place] = TokenSequence(
            input_ids=row["input_ids"],
            loss_mask=[float(label >= 0) for label in row["labels"]],
            record_id=str(place),
            kind="completion",
            place=f"{source}:{place}",
        )
    return build_rows(job, Sequences([sequences[place] for place in range(len(rows))], [], []))
