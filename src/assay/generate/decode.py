"""The decoding loop: rows that end leave, and waiting prompts take their places at once.

Models that `Lean` does not serve decode batch by batch (`generate/standard.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import torch

from assay.generate.lean import Lean
from assay.generate.prefill import Prompt, iterate_prompts
from assay.generate.rows import Row, Task
from assay.generate.slots import SlotCache
from assay.generate.standard import decode_in_batches
from assay.generate.trial import build_lean
from assay.models.fast.tables import tables_whole


def decode(model: Any, task: Task) -> Iterator[list[Row]]:
    """Extend rows until all have ended; yields after each position those that ended there.

    The weights are those at the first position; `model` is in evaluation mode meanwhile.
    """
    full = [row for row in task.rows if row.is_done]
    if full:
        yield full
    task = replace(task, rows=[row for row in task.rows if not row.is_done])
    training = model.training
    model.eval()
    try:
        with tables_whole(model):
            lean = build_lean(model) if task.rows else "no rows"
            if isinstance(lean, Lean):
                yield from _decode_continuously(model, lean, task)
            else:
                yield from decode_in_batches(model, task)
    finally:
        model.train(training)


@torch.no_grad()
def _decode_continuously(model: Any, lean: Lean, task: Task) -> Iterator[list[Row]]:
    cache: SlotCache[Row] = SlotCache(lean.shape)
    waiting = _iterate_prefilled(model, task.rows)
    left = len(task.rows)
    while left:
        fresh = list(islice(waiting, task.batch_size - len(cache.rows)))
        if fresh:
            ended = _admit(lean, cache, fresh, task)
            left -= len(ended)
            yield ended
        active = cache.settle()
        if active:
            logits_BV = lean.step([row.drawn[-1].token_id for row in active], cache)
            ended = task.extend(active, logits_BV)
            cache.remove(ended)
            left -= len(ended)
            yield ended


def _iterate_prefilled(model: Any, rows: Sequence[Row]) -> Iterator[tuple[Row, Prompt]]:
    """Every row with its prompt; equal prompts are computed once, and when they are needed."""
    by_prompt: dict[tuple[int, ...], list[Row]] = {}
    for row in rows:
        by_prompt.setdefault(tuple(row.prompt), []).append(row)
    alike = list(by_prompt.values())
    for prompt in iterate_prompts(model, list(by_prompt)):
        for row in alike[prompt.index]:
            yield row, prompt


def _admit(
    lean: Lean, cache: SlotCache[Row], fresh: Sequence[tuple[Row, Prompt]], task: Task
) -> list[Row]:
    """Draw the first tokens, and give a slot to each row that goes on; gives those that do not."""
    logits_BV = lean.compute_logits(torch.stack([prompt.hidden_D for _, prompt in fresh]))
    ended = task.extend([row for row, _ in fresh], logits_BV)
    for row, prompt in fresh:
        if not row.is_done:
            cache.add(row, prompt.load_states(), room=row.room)
    return ended
