"""Whether a tuning keeps what the frozen lower layers make of its rows, of which, and where."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.data.pack import PackedBatch
from assay.errors import ConfigError, Problem
from assay.pipeline.batches import WHOLE, TrainingRows, batch_source
from assay.pipeline.job import Job
from assay.pipeline.plan import list_techniques

if TYPE_CHECKING:
    from assay.models.reuse import ActivationStore
    from assay.train.ranks import Ranks

MEMORY_SHARE = 0.25
"""Of the memory that is free, what `auto` may spend on kept activations."""


@dataclass(frozen=True)
class Known:
    """Token ids of the sequences to keep: those of all ranks, and those that one measures alone."""

    common: list[list[int]]
    own: list[list[int]]

    @property
    def all(self) -> list[list[int]]:
        return [*self.common, *self.own]


Stores = dict[tuple[int, str], "ActivationStore"]
"""What was kept, by the number of frozen layers and the hash of the sequences in their order."""


@contextmanager
def activations_reused(
    job: Job,
    rows: TrainingRows,
    model: Any,
    *,
    num_steps: int,
    ranks: Ranks | None = None,
    stores: Stores | None = None,
) -> Iterator[None]:
    """Begin passes of `model`, which must be in training mode, above its frozen layers for a while.

    As the recipe's techniques say; `auto` reuses in memory where rows are seen more than once and
    the activations fit well. Several tunings of one base share what is kept by way of `stores`. Of
    several `ranks`, whose rows of an epoch are others in the next, each keeps what all may need.

    Raises:
        ConfigError: reuse is asked for and no lower layer is frozen, or passes differ by chance.
    """
    from assay.models.reuse import find_frozen_depth, reused
    from assay.train.ranks import ALONE

    ranks = ranks or ALONE
    named = set(list_techniques(job)) & {"reuse_in_memory", "reuse_on_disk"}
    depth = find_frozen_depth(model)
    if named and not depth:
        raise ConfigError(_describe_refusal(sorted(named)[0]))
    known = _list_sequences(job, rows, num_steps)
    if not named and not _pays(job, rows, model, depth, known, num_steps, ranks):
        yield
        return
    name = f"activations-{ranks.rank}.bin"
    file = job.run.checkpoints / name if "reuse_on_disk" in named else None
    stores = {} if stores is None else stores
    key = (depth, _hash(known.all))
    try:
        if key not in stores:
            stores[key] = _fill(job, model, depth, known, file, ranks)
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
    job: Job, model: Any, depth: int, known: Known, file: Path | None, ranks: Ranks
) -> ActivationStore:
    from assay.models.reuse_fill import count_bytes, fill_store
    from assay.pipeline.precision import choose_precision
    from assay.train.step import autocast

    device = model.get_input_embeddings().weight.device
    megabytes = count_bytes(model, known.all) / 1e6
    where = "on disk" if file else "in memory"
    where += " of each process" if ranks.num_ranks > 1 else ""
    job.progress.note(f"reusing what {depth} frozen layers give: {megabytes:,.0f} MB {where}")
    with autocast(choose_precision(job.recipe).name, device):
        return fill_store(
            model,
            known.common,
            depth=depth,
            token_budget=job.recipe.train.micro_batch_tokens,
            own=known.own,
            sharing=ranks,
            file=file,
            on_done=lambda done, total: job.progress.count("tokens through them", done, total),
        )


def _pays(
    job: Job,
    rows: TrainingRows,
    model: Any,
    depth: int,
    known: Known,
    num_steps: int,
    ranks: Ranks,
) -> bool:
    """Whether `auto` reuses: rows come again, nothing is random, and memory is plenty on all."""
    import psutil

    from assay.models.reuse_fill import count_bytes
    from assay.train.shard import is_spread

    config = job.recipe.train
    epochs = num_steps * config.batch_size / len(rows.sequences)
    # Answers share tokens with each other, so that their sequences do not stand in a batch whole.
    is_random = getattr(job.recipe.objective, "neftune_alpha", 0) > 0
    is_random = is_random or rows.sequences[0].is_compared
    if config.techniques != "auto" or not depth or is_spread(model) or is_random or epochs < 2:
        return False
    needed = ranks.num_local * count_bytes(model, known.all)
    return not ranks.any(needed > MEMORY_SHARE * psutil.virtual_memory().available)


def _list_sequences(job: Job, rows: TrainingRows, num_steps: int) -> Known:
    """Every sequence that the tuning reaches or measures, in an order that its rows decide."""
    get_batches = batch_source(job, replace(rows, share=WHOLE))
    steps_per_epoch = math.ceil(len(rows.sequences) / job.recipe.train.batch_size)
    reached = [
        batch for step in range(min(num_steps, steps_per_epoch)) for batch in get_batches(step)
    ]
    measured = [*rows.validation, *rows.comparable]
    common, own = (
        [ids for one in batches for ids in _split(one)] for batches in (reached, measured)
    )
    return Known(common, own)


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
