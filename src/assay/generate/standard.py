"""Decoding by a model's own modules with Transformers' cache: for what `Lean` does not serve.

Rows are left-padded, and those that are done leave the batch; prompts that are equal are computed
once. Shape legend: B rows of a batch, T prompt positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from assay.generate.rows import Row, Task
from assay.models.forward import own_attention


@torch.no_grad()
def decode_in_batches(model: Any, task: Task) -> Iterator[list[Row]]:
    """Extend the rows batch by batch; yields those that ended after each position."""
    # Equal prompts stand together: a batch computes them once.
    ordered = sorted(task.rows, key=lambda row: (len(row.prompt), tuple(row.prompt)))
    for start in range(0, len(ordered), task.batch_size):
        yield from _decode_batch(model, ordered[start : start + task.batch_size], task)


def _decode_batch(model: Any, active: Sequence[Row], task: Task) -> Iterator[list[Row]]:
    from transformers import DynamicCache

    device = next(model.parameters()).device
    alone, again_B = _find_alike([row.prompt for row in active], device)
    input_ids_BT, mask_BT = _left_pad(alone, device)
    position_BT = (mask_BT.cumsum(1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    while active:
        with own_attention(model):
            output = model(
                input_ids=input_ids_BT,
                attention_mask=mask_BT,
                position_ids=position_BT,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        logits_BV = output.logits[:, -1].float()
        if again_B is not None:
            logits_BV, mask_BT, position_BT = (
                x[again_B] for x in (logits_BV, mask_BT, position_BT)
            )
            cache.reorder_cache(again_B)
            again_B = None
        yield task.extend(active, logits_BV.cpu())
        kept = torch.tensor([i for i, row in enumerate(active) if not row.is_done], device=device)
        if 0 < len(kept) < len(active):
            cache.reorder_cache(kept)
        active = [row for row in active if not row.is_done]
        if active:
            input_ids_BT = torch.tensor([[row.drawn[-1].token_id] for row in active], device=device)
            mask_BT = torch.nn.functional.pad(mask_BT[kept], (0, 1), value=1)
            position_BT = position_BT[kept, -1:] + 1


def _find_alike(
    prompts: Sequence[Sequence[int]], device: torch.device
) -> tuple[list[tuple[int, ...]], Tensor | None]:
    """Each prompt once, and which of them every row's is; None where all differ."""
    numbers: dict[tuple[int, ...], int] = {}
    places = [numbers.setdefault(tuple(prompt), len(numbers)) for prompt in prompts]
    alone = list(numbers)
    return alone, torch.tensor(places, device=device) if len(alone) < len(prompts) else None


def _left_pad(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    width = max(map(len, prompts))
    ids = [[0] * (width - len(p)) + list(p) for p in prompts]
    mask = [[0] * (width - len(p)) + [1] * len(p) for p in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
