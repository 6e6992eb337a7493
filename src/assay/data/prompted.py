"""Packed batches whose sequences get a system prompt: the same targets, further behind."""

from __future__ import annotations

from assay.chat.system_prompt import SystemPrompt
from assay.data.pack import PackedBatch


def put_prompt_into(batch: PackedBatch, prompt: SystemPrompt) -> PackedBatch:
    """`batch` with `prompt` before every sequence that has none; the N targets in their order.

    Sequences that the prompt does not fit stay as they are: those that are no conversations, as
    fillers and trials of memory.
    """
    found = PackedBatch([], [], [], [], list(batch.target_ids), list(batch.target_weights))
    targets, start, next_target = batch.target_positions, 0, 0
    for length in batch.sequence_lengths:
        ids, end = batch.input_ids[start : start + length], start + length
        changed = prompt.put_into(ids) if prompt.fits(ids) else ids
        offset = found.num_tokens
        while next_target < len(targets) and targets[next_target] < end:
            place = targets[next_target] - start
            moved = place + len(changed) - length if place >= prompt.start else place
            found.target_positions.append(offset + moved)
            next_target += 1
        found.input_ids.extend(changed)
        found.position_ids.extend(range(len(changed)))
        found.sequence_lengths.append(len(changed))
        start = end
    return found
