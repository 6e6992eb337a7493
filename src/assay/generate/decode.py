"""The decoding loop: left-padded rows grow token by token, and those that are done leave the batch.

Shape legend: B rows of a batch, T prompt positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from assay.generate.engine import Sampling
from assay.models.fast.tables import tables_whole


@dataclass
class Row:
    """A completion in the making."""

    index: int
    generator: torch.Generator
    max_new_tokens: int
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    stopped: bool = False

    @property
    def is_done(self) -> bool:
        return self.stopped or len(self.token_ids) >= self.max_new_tokens

    def extend(self, token: int, logprob: float, stop_ids: set[int]) -> None:
        """Take the next token; a stop token ends the row and is left out."""
        if token in stop_ids:
            self.stopped = True
            return
        self.token_ids.append(token)
        self.logprobs.append(logprob)


@torch.no_grad()
def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    rows: list[Row],
    *,
    sampling: Sampling,
    stop_ids: set[int],
) -> Iterator[None]:
    """Extend `rows` token by token until all have stopped; yields after each position."""
    training = model.training
    model.eval()
    try:
        with tables_whole(model):
            yield from _decode_rows(model, prompts, rows, sampling, stop_ids)
    finally:
        model.train(training)


def _decode_rows(
    model: Any,
    prompts: Sequence[Sequence[int]],
    active: list[Row],
    sampling: Sampling,
    stop_ids: set[int],
) -> Iterator[None]:
    from transformers import DynamicCache

    device = next(model.parameters()).device
    width = max(len(prompt) for prompt in prompts)
    input_ids_BT, mask_BT = _left_pad(prompts, width, device)
    position_BT = (mask_BT.cumsum(1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    while active and sampling.max_new_tokens > 0:
        output = model(
            input_ids=input_ids_BT,
            attention_mask=mask_BT,
            position_ids=position_BT,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits_BV = output.logits[:, -1].float().cpu()
        next_ids = _choose(logits_BV, active, sampling)
        logprobs = logits_BV.log_softmax(-1).gather(1, next_ids[:, None]).squeeze(1)
        for row, token, logprob in zip(active, next_ids.tolist(), logprobs.tolist(), strict=True):
            row.extend(token, logprob, stop_ids)
        yield
        kept = torch.tensor([i for i, row in enumerate(active) if not row.is_done])
        if 0 < len(kept) < len(active):
            cache.batch_select_indices(kept.to(device))
        active = [active[i] for i in kept.tolist()]
        if active:
            input_ids_BT = next_ids[kept, None].to(device)
            mask_BT = torch.nn.functional.pad(mask_BT[kept.to(device)], (0, 1), value=1)
            position_BT = position_BT[kept.to(device), -1:] + 1


def _left_pad(
    prompts: Sequence[Sequence[int]], width: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    ids = [[0] * (width - len(p)) + list(p) for p in prompts]
    mask = [[0] * (width - len(p)) + [1] * len(p) for p in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _choose(logits_BV: Tensor, rows: list[Row], sampling: Sampling) -> Tensor:
    """The next token of every row, int64, shape (B,): the Gumbel-max trick with a generator a row,
    so that a row's sample does not depend on its neighbours."""
    if sampling.temperature == 0:
        return logits_BV.argmax(-1)
    scaled_BV = logits_BV / sampling.temperature
    if sampling.top_p < 1:
        sorted_BV, order_BV = scaled_BV.softmax(-1).sort(-1, descending=True)
        before_BV = sorted_BV.cumsum(-1) - sorted_BV
        drop_BV = torch.zeros_like(before_BV, dtype=torch.bool)
        drop_BV.scatter_(1, order_BV, before_BV >= sampling.top_p)
        scaled_BV = scaled_BV.masked_fill(drop_BV, float("-inf"))
    noise = [
        -torch.empty_like(scaled_BV[0]).exponential_(generator=row.generator).log() for row in rows
    ]
    return (scaled_BV + torch.stack(noise)).argmax(-1)
