"""What a job is expected to take, told before it runs: tokens, memory, time, and what that costs.

Tokens are those of a sample of its rows, rendered by the base's own template. Memory is arithmetic
over the base's shape, generous for what a step keeps (see docs/serving.md for how far it is from
what was measured). Time is that of earlier jobs of the same base and method: without any there is
none, until the job's own steps tell.
"""

from __future__ import annotations

import logging
import math
import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.chat import load_chat_tokenizer
from assay.config import Loaded, load
from assay.config.sections.rollouts import RolloutSection
from assay.data import read_sources
from assay.data.rendered import Content, render_row
from assay.errors import AssayError
from assay.runs.store import Store
from assay.runs.store.estimates import keep_estimate, read_pace
from assay.runs.store.files import find_file
from assay.runs.store.jobs import JobRow
from assay.serve.jobs.base_shape import BaseShape, find_local_folder, read_shape
from assay.serve.jobs.places import locate_job
from assay.serve.jobs.price import read_price

log = logging.getLogger("assay.serve")
_SAMPLE = 256
_RUNTIME_BYTES = 400_000_000
"""Python with PyTorch and its libraries, before any weight: measured on a CPU."""
_ADAM_BYTES = 12
"""Of a trained weight beside itself, in fp32: its gradient, and two moments."""
_KEPT = 2.5
"""Times the states of a layer that a backward pass needs: what libraries keep beside, measured."""


def estimate_job(store: Store, job: JobRow) -> dict[str, Any] | None:
    """Estimate a job whose files were checked, and keep it; None where its base is not here yet."""
    folder = locate_job(store, job.id)
    loaded = load(folder / "recipe.yaml")
    local = find_local_folder(job.base)
    shape = read_shape(local) if local is not None else None
    lengths = _measure_rows(loaded, folder, local) if local is not None else []
    row = find_file(store, job.training_file)
    if shape is None or not lengths or row is None:
        return None
    tokens = _count_tokens(loaded, lengths, int(row.num_rows or 0))
    estimate: dict[str, Any] = {
        "tokens": tokens,
        "tokens_of": f"{len(lengths)} rows of {row.num_rows}",
        "memory_bytes": _count_bytes(loaded, shape, lengths),
        "duration_s": None,
        "duration_of": "no earlier job of this base and method: its own first steps will tell",
    }
    pace = read_pace(store, job.base, str((job.method or {}).get("type")))
    if pace is not None:
        estimate["duration_s"] = round(tokens / pace.tokens_per_s + pace.other_s, 1)
        estimate["duration_of"] = f"the median of {pace.num_jobs} earlier jobs"
    add_cost(estimate)
    keep_estimate(store, job.id, estimate)
    return estimate


def add_cost(estimate: dict[str, Any]) -> None:
    """Say what the time costs, where the price of an hour is known."""
    price, duration_s = read_price(), estimate["duration_s"]
    estimate["cost"] = None
    if price is not None and duration_s is not None:
        estimate["cost"] = round(duration_s / 3600 * price, 6)
        estimate["price_per_hour"] = price


def _measure_rows(loaded: Loaded, folder: Path, base: Path) -> list[int]:
    """Tokens of each row of a sample, all its sequences together."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        sample = Path(scratch) / "sample.jsonl"
        _draw(folder / "train.jsonl", sample)
        data = loaded.recipe.data
        sources = [one.model_copy(update={"path": str(sample)}) for one in data.train]
        wanted = loaded.recipe.objective.learns_from
        found = read_sources(sources, base_dir=folder, system=data.system, wanted=wanted)
    try:
        tokenizer = load_chat_tokenizer(base)
    except AssayError:
        return []  # the run says what is wrong with it
    rendered = [render_row(Content.of(record), tokenizer) for record in found.records]
    return [sum(len(e.input_ids) for e in one.examples) for one in rendered if one.examples]


def _draw(source: Path, target: Path) -> None:
    """At most `_SAMPLE` lines, drawn with a fixed seed without holding the others."""
    rng, kept = random.Random(0), list[tuple[int, bytes]]()
    with source.open("rb") as file:
        for number, line in enumerate(file):
            if number < _SAMPLE:
                kept.append((number, line))
            elif (place := rng.randrange(number + 1)) < _SAMPLE:
                kept[place] = (number, line)
    target.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for _, line in sorted(kept)))


def _count_tokens(loaded: Loaded, lengths: Sequence[int], num_rows: int) -> int:
    """Tokens of all steps; of a method whose model writes, at most so many."""
    recipe = loaded.recipe
    held_out = recipe.data.test_ratio if recipe.data.test is None else 0.0
    held_out += recipe.data.validation_ratio if recipe.data.validation is None else 0.0
    rows = max(1, round(num_rows * (1 - held_out)))
    train = recipe.train
    num_steps = train.max_steps or math.ceil(rows * (train.epochs or 1.0) / train.batch_size)
    each = sum(lengths) / len(lengths)
    if isinstance(recipe.objective, RolloutSection):
        each = recipe.objective.group_size * (each + recipe.objective.max_new_tokens)
    most = num_steps * train.batch_size
    trained = most if train.max_steps else min(most, round(rows * (train.epochs or 1.0)))
    return round(trained * each)


def _count_bytes(loaded: Loaded, shape: BaseShape, lengths: Sequence[int]) -> int:
    """Memory of weights, of what is trained, and of the largest micro-batch."""
    recipe, has_gpu = loaded.recipe, shutil.which("nvidia-smi") is not None
    trained = _count_trained(recipe.method, shape)
    weights = shape.file_bytes if has_gpu else shape.num_params * 4
    if not recipe.method.trains_base:
        weights += trained * 4
    batch = recipe.train.batch_size * sum(lengths) / len(lengths)
    most = max(max(lengths), min(recipe.train.micro_batch_tokens, round(batch)))
    per_layer = 8 * shape.hidden + 4 * shape.inner + 2 * shape.kv
    states = most * shape.num_layers * per_layer * (2 if has_gpu else 4) * _KEPT
    return round(weights + trained * _ADAM_BYTES + states + _RUNTIME_BYTES)


def _count_trained(method: Any, shape: BaseShape) -> int:
    if method.trains_base:
        return shape.num_params
    rank, wanted = getattr(method, "rank", 0), getattr(method, "target_modules", "all-linear")
    return sum(
        rank * (rows + columns)
        for name, rows, columns in shape.matrices
        if wanted == "all-linear" or name in wanted
    )


def describe_estimate(found: dict[str, Any] | None) -> str:
    """The estimate as a line for people; "" where there is none."""
    if found is None:
        return ""
    told = f"about {found['tokens']:,} tokens, {found['memory_bytes'] / 1e9:.1f} GB of memory"
    if found["duration_s"] is not None:
        told += f", {found['duration_s']:,.0f} seconds"
    if found["cost"] is not None:
        told += f", costing {found['cost']:g}"
    return told


def update_duration(store: Store, job_id: str, found: dict[str, Any], duration_s: float) -> None:
    """Put the time that a job's own steps tell in place of what was expected."""
    found = {**found, "duration_s": round(duration_s, 1), "duration_of": "its own steps so far"}
    add_cost(found)
    keep_estimate(store, job_id, found)


def try_to_estimate(store: Store, job: JobRow) -> dict[str, Any] | None:
    """`estimate_job`, of which no fault keeps a job from being run."""
    try:
        return estimate_job(store, job)
    except (AssayError, OSError, ValueError) as error:
        log.warning(f"no estimate: {type(error).__name__}", extra={"job_id": job.id})
        return None
