"""Whether a tuning keeps what the frozen lower layers make of its rows, of which, and where."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.data.pack import PackedBatch
from assay.errors import ConfigError, Problem
from assay.pipeline.batches import TrainingRows, batch_source
from assay.pipeline.job import Job
from assay.pipeline.plan import list_techniques

if TYPE_CHECKING:
    from assay.models.reuse import ActivationStore

MEMORY_SHARE = 0.25
"""Of the memory that is free, what `auto` may spend on kept activations."""


Stores = dict[tuple[int, str], "ActivationStore"]
"""What was kept, by the number of frozen layers and the hash of the sequences in their order."""


@contextmanager
def activations_reused(
    job: Job,
    rows: TrainingRows,
    model: Any,
    *,
    num_steps: int,
    num_ranks: int = 1,
    stores: Stores | None = None,
) -> Iterator[None]:
    """Begin passes of `model`, which must be in training mode, above its frozen layers for a while.

    As the recipe's techniques say; `auto` reuses in memory where rows are seen more than once and
    the activations fit well. Several tunings of one base share what is kept by way of `stores`.

    Raises:
        ConfigError: reuse is asked for and no lower layer is frozen, or passes differ by chance.
    """
    from assay.models.reuse import find_frozen_depth, reused

    named = set(list_techniques(job)) & {"reuse_in_memory", "reuse_on_disk"}
    depth = find_frozen_depth(model)
    if named and not depth:
        raise ConfigError(_describe_refusal(sorted(named)[0]))
    sequences = _list_sequences(job, rows, num_steps)
    if not named and not _pays(job, rows, model, depth, sequences, num_steps, num_ranks):
        yield
        return
    file = job.run.checkpoints / "activations.bin" if "reuse_on_disk" in named else None
    stores = {} if stores is None else stores
    key = (depth, _hash(sequences))
    try:
        if key not in stores:
            stores[key] = _fill(job, model, depth, sequences, file)
        with reused(model, stores[key]):
            yield
    finally:
        if file:
            file.unlink(missing_ok=True)


def _describe_refusal(technique: str) -> Problem:
    return Problem(
        key="train.techniques",
        got=f"{technique}, where every layer is trained or draws dropout",
        allowed="reuse with weights to train in the top layers alone",
        do="remove it, or name layers from the top in method.target_modules, or method: freeze",
    )


def _fill(
    job: Job, model: Any, depth: int, sequences: list[list[int]], file: Path | None
) -> ActivationStore:
    from assay.models.reuse import count_bytes, fill_store
    from assay.pipeline.precision import choose_precision
    from assay.train.step import autocast

    device = model.get_input_embeddings().weight.device
    megabytes = count_bytes(model, sequences) / 1e6
    where = "on disk" if file else "in memory"
    job.progress.note(f"reusing what {depth} frozen layers give: {megabytes:,.0f} MB {where}")
    with autocast(choose_precision(job.recipe).name, device):
        return fill_store(
            model,
            sequences,
            depth=depth,
            token_budget=job.recipe.train.micro_batch_tokens,
            file=file,
            on_done=lambda done, total: job.progress.count("tokens through them", done, total),
        )


def _pays(
    job: Job,
    rows: TrainingRows,
    model: Any,
    depth: int,
    sequences: list[list[int]],
    num_steps: int,
    num_ranks: int,
) -> bool:
    """Whether `auto` reuses: rows come again, nothing is random, and memory is plenty."""
    import psutil

    from assay.models.reuse import count_bytes

    config = job.recipe.train
    epochs = num_steps * config.batch_size / len(rows.sequences)
    is_random = job.recipe.objective.neftune_alpha > 0
    if config.techniques != "auto" or not depth or num_ranks > 1 or is_random or epochs < 2:
        return False
    return bool(count_bytes(model, sequences) <= MEMORY_SHARE * psutil.virtual_memory().available)


def _list_sequences(job: Job, rows: TrainingRows, num_steps: int) -> list[list[int]]:
    """Every sequence that the tuning reaches or measures, in an order that its rows decide."""
    get_batches = batch_source(job, rows)
    steps_per_epoch = math.ceil(len(rows.sequences) / job.recipe.train.batch_size)
    reached = [
        batch for step in range(min(num_steps, steps_per_epoch)) for batch in get_batches(step)
    ]
    batches = [*reached, *rows.validation, *rows.comparable]
    return [ids for batch in batches for ids in _split(batch)]


def _hash(sequences: list[list[int]]) -> str:
    digest = sha256()
    for ids in sequences:
        digest.update(array("q", [len(ids), *ids]).tobytes())
    return digest.hexdigest()


def _split(batch: PackedBatch) -> list[list[int]]:
    found, start = [], 0
    for length in batch.sequence_lengths:
        found.append(batch.input_ids[start : start + length])
        start += length
    return found
