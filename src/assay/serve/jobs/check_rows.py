"""What is wrong with a job's files, told by all their rows; it decides, and writes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.config import load
from assay.data import read_sources
from assay.errors import ConfigError, Problem, render_grouped
from assay.runs.store import Store
from assay.runs.store.files import find_file
from assay.runs.store.jobs import JobRow
from assay.serve.jobs.places import locate_job

MIN_ROWS = 10
MAX_PROMPTS, MAX_VALIDATION_PROMPTS = 50_000, 1_000
"""OpenAI's own limits of a reinforcement job."""
_NAMES = (("training_file", "train"), ("validation_file", "validation"))


def find_fault(store: Store, job: JobRow) -> dict[str, Any] | None:
    """The first file's fault as a job's error, all its rows named; None where there is none."""
    for param, split in _NAMES:
        file_id = getattr(job, param)
        if file_id is None:
            continue
        row = find_file(store, file_id)
        if row is None:
            message = f"The file {file_id} was deleted, or has expired."
            return build_error("file_not_found", message, param)
        if row.status == "error":
            return build_error("invalid_file_format", row.status_details or "", param)
        fault = _check_count(job, row.num_rows or 0, param)
        if fault is not None:
            return fault
        problems = _read_problems(locate_job(store, job.id), split, row.filename)
        if problems:
            message = "\n".join(render_grouped(problems))
            return build_error("invalid_file_format", message, param)
    return None


def build_error(code: str, message: str, param: str | None) -> dict[str, Any]:
    """A job's error in OpenAI's form."""
    return {"code": code, "message": message, "param": param}


def _check_count(job: JobRow, num_rows: int, param: str) -> dict[str, Any] | None:
    kind = (job.method or {}).get("type")
    is_training = param == "training_file"
    most = MAX_PROMPTS if is_training else MAX_VALIDATION_PROMPTS
    if is_training and num_rows < MIN_ROWS:
        message = f"The file has {num_rows} rows, but at least {MIN_ROWS} are needed."
    elif kind == "reinforcement" and num_rows > most:
        message = f"The file has {num_rows:,} rows, but at most {most:,} are taken."
    else:
        return None
    return build_error("invalid_n_examples", message, param)


def _read_problems(folder: Path, split: str, shown: str) -> list[Problem]:
    """Problems of rows, under the name that the client gave the file."""
    try:
        loaded = load(folder / "recipe.yaml")
    except ConfigError as error:
        return error.problems
    data = loaded.recipe.data
    sources = data.train if split == "train" else data.validation
    result = read_sources(
        sources or [],
        base_dir=loaded.base_dir,
        system=data.system,
        group_by=data.group_by,
        wanted=loaded.recipe.objective.learns_from,
    )
    rows = result.problems if data.on_bad_rows == "refuse" else []
    return [replace(one, file=shown) for one in (*result.refusals, *rows)]
