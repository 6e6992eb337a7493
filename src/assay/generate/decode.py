"""The decoding loop: left-padded rows grow token by token, and those that are done leave the batch.

Prompts that are equal are computed once. Shape legend: B rows of a batch, T prompt positions,
V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from assay.generate.choose import choose_tokens
from assay.generate.engine import Drawn, Sampling
from assay.generate.stops import Decode, cut_at_stop
from assay.models.fast.tables import tables_whole


@dataclass
class Row:
    """A completion in the making; `text` is known once a stop string has ended it."""

    index: int
    generator: torch.Generator
    max_new_tokens: int
    drawn: list[Drawn] = field(default_factory=list)
    stop_token: Drawn | None = None
    text: str | None = None

    @property
    def token_ids(self) -> list[int]:
        return [one.token_id for one in self.drawn]

    @property
    def is_done(self) -> bool:
        ended = self.stop_token is not None or self.text is not None
        return ended or len(self.drawn) >= self.max_new_tokens

    def extend(self, token: Drawn, ends: Ends) -> None:
        """Take the next token; a stop token ends the row and is left out."""
        if token.token_id in ends.stop_ids:
            self.stop_token = token
            return
        self.drawn.append(token)
        if ends.stop:
            self.text = cut_at_stop(self.token_ids, ends.stop, ends.decode)


@dataclass(frozen=True)
class Ends:
    """What ends a row: stop tokens, and strings in what `decode` makes of its tokens."""

    stop_ids: frozenset[int]
    stop: tuple[str, ...]
    decode: Decode


@torch.no_grad()
def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    rows: list[Row],
    *,
    sampling: Sampling,
    ends: Ends,
) -> Iterator[None]:
    """Extend `rows` token by token until all have stopped; yields after each position."""
    training = model.training
    model.eval()
    try:
        with tables_whole(model):
            yield from _decode_rows(model, prompts, rows, sampling, ends)
    finally:
        model.train(training)


def _decode_rows(
    model: Any,
    prompts: Sequence[Sequence[int]],
    active: list[Row],
    sampling: Sampling,
    ends: Ends,
) -> Iterator[None]:
    from transformers import DynamicCache

    device = next(model.parameters()).device
    alone, again_B = _find_alike(prompts, device)
    width = max(len(prompt) for prompt in prompts)
    input_ids_BT, mask_BT = _left_pad(alone, width, device)
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
        logits_BV = output.logits[:, -1].float()
        if again_B is not None:
            logits_BV, mask_BT, position_BT = (
                x[again_B] for x in (logits_BV, mask_BT, position_BT)
            )
            cache.batch_select_indices(again_B)
            again_B = None
        logits_BV = logits_BV.cpu()
        drawn = choose_tokens(logits_BV, [row.generator for row in active], sampling)
        for row, token in zip(active, drawn, strict=True):
            row.extend(token, ends)
        yield
        kept = torch.tensor([i for i, row in enumerate(active) if not row.is_done])
        if 0 < len(kept) < len(active):
            cache.batch_select_indices(kept.to(device))
        active = [active[i] for i in kept.tolist()]
        if active:
            input_ids_BT = torch.tensor([[row.drawn[-1].token_id] for row in active], device=device)
            mask_BT = torch.nn.functional.pad(mask_BT[kept.to(device)], (0, 1), value=1)
            position_BT = position_BT[kept.to(device), -1:] + 1


def _find_alike(
    prompts: Sequence[Sequence[int]], device: torch.device
) -> tuple[list[tuple[int, ...]], Tensor | None]:
    """Each prompt once, and which of them every row's is; None where all differ."""
    numbers: dict[tuple[int, ...], int] = {}
    places = [numbers.setdefault(tuple(prompt), len(numbers)) for prompt in prompts]
    alone = list(numbers)
    return alone, torch.tensor(places, device=device) if len(alone) < len(prompts) else None


def _left_pad(
    prompts: Sequence[Sequence[int]], width: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    ids = [[0] * (width - len(p)) + list(p) for p in prompts]
    mask = [[0] * (width - len(p)) + [1] * len(p) for p in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
