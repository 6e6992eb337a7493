"""The local engine: batched decoding with a Transformers model in this process.

Prompts are sorted by length and decoded in left-padded batches; finished rows leave the batch.
Shape legend: B rows of a batch, T prompt positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from assay.chat import ChatTokenizer
from assay.data.pack import build_batch, pack_lengths
from assay.errors import GenerationError
from assay.generate.engine import Generation, Progress, Sampling, SequenceScore
from assay.losses.cross_entropy import compute_token_logprobs
from assay.models.fast.tables import tables_whole
from assay.models.forward import compute_supervised_hidden, get_head, load_batch, packed_mode

SCORE_TOKENS = 4096


@dataclass
class _Row:
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


class LocalEngine:
    """Decodes with `model` (a Transformers causal language model, adapters included).

    Args:
        model: in evaluation mode while it decodes; its training mode is restored after.
        tokenizer: the base's own.
        batch_size: rows decoded together.
        context_len: tokens that prompt and completion may take together; None for no limit.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: ChatTokenizer,
        *,
        batch_size: int = 16,
        context_len: int | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.context_len = context_len

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        on_progress: Progress | None = None,
        *,
        places: Sequence[int] | None = None,
    ) -> list[Generation]:
        """See `Engine`; a prompt's sample depends on the seed and its place, not on the batches.

        Raises:
            GenerationError: a prompt is empty or leaves no room in the context.
        """
        self._check(prompts)
        places = range(len(prompts)) if places is None else places
        results: dict[int, Generation] = {}
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        for start in range(0, len(order), self.batch_size):
            indices = order[start : start + self.batch_size]
            rows = [self._row(i, prompts[i], sampling, place=places[i]) for i in indices]
            for _ in self._decode([list(prompts[i]) for i in indices], rows, sampling):
                pass
            results |= {row.index: self._finish(row) for row in rows}
            if on_progress:
                on_progress(len(results), len(prompts))
        return [results[i] for i in range(len(prompts))]

    def stream(self, prompt: Sequence[int], sampling: Sampling) -> Iterator[str]:
        """See `Engine`; a piece is held back while it ends inside a character."""
        self._check([prompt])
        row = self._row(0, prompt, sampling, place=0)
        shown = ""
        for _ in self._decode([list(prompt)], [row], sampling):
            text = self.tokenizer.decode(row.token_ids)
            if text.endswith("\N{REPLACEMENT CHARACTER}"):
                continue
            yield text[len(shown) :]
            shown = text
        yield self.tokenizer.decode(row.token_ids)[len(shown) :]

    @torch.inference_mode()
    def score(
        self, sequences: Sequence[tuple[Sequence[int], Sequence[float]]]
    ) -> list[SequenceScore]:
        """See `Engine`; sequences are packed without padding."""
        sums = [0.0] * len(sequences)
        head = get_head(self.model)
        training = self.model.training
        self.model.eval()
        lengths = [len(ids) for ids, _ in sequences]
        with packed_mode(self.model):
            for indices in pack_lengths(lengths, token_budget=SCORE_TOKENS):
                batch = build_batch(
                    [sequences[i][0] for i in indices], [sequences[i][1] for i in indices]
                )
                tensors = load_batch(batch, head.weight_VD.device)
                hidden_ND = compute_supervised_hidden(self.model, tensors)
                logprobs = (
                    compute_token_logprobs(
                        hidden_ND,
                        head.weight_VD,
                        tensors.target_ids_N,
                        softcap=head.softcap,
                        bias_V=head.bias_V,
                        rows=head.rows,
                    )
                    * tensors.target_weights_N
                )
                starts = torch.tensor([0, *batch.sequence_lengths]).cumsum(0)
                owners = torch.bucketize(tensors.target_positions_N.cpu(), starts, right=True) - 1
                for owner, value in zip(owners.tolist(), logprobs.tolist(), strict=True):
                    sums[indices[owner]] += value
        self.model.train(training)
        weights = [sum(mask[1:]) for _, mask in sequences]
        return [SequenceScore(s, float(w)) for s, w in zip(sums, weights, strict=True)]

    def _row(self, index: int, prompt: Sequence[int], sampling: Sampling, *, place: int) -> _Row:
        # A row's own room in the context: that of its longest neighbour would cut it short.
        room = (self.context_len or 1 << 30) - len(prompt)
        generator = torch.Generator().manual_seed(_row_seed(sampling, place))
        return _Row(index, generator, min(sampling.max_new_tokens, room))

    def _check(self, prompts: Sequence[Sequence[int]]) -> None:
        for number, prompt in enumerate(prompts):
            if not prompt:
                raise GenerationError(f"prompt {number} is empty; give at least one token")
            if self.context_len and len(prompt) >= self.context_len:
                raise GenerationError(
                    f"prompt {number} has {len(prompt)} tokens and leaves no room in the context of"
                    f" {self.context_len}; shorten it or use fewer shots"
                )

    @torch.no_grad()
    def _decode(
        self, prompts: list[list[int]], rows: list[_Row], sampling: Sampling
    ) -> Iterator[None]:
        """Extend `rows` token by token until all have stopped; yields after each position."""
        training = self.model.training
        self.model.eval()
        try:
            with tables_whole(self.model):
                yield from self._decode_rows(prompts, rows, sampling)
        finally:
            self.model.train(training)

    def _decode_rows(
        self, prompts: list[list[int]], active: list[_Row], sampling: Sampling
    ) -> Iterator[None]:
        from transformers import DynamicCache

        device = next(self.model.parameters()).device
        stop_ids = set(sampling.stop_ids or self.tokenizer.eos_ids)
        width = max(len(prompt) for prompt in prompts)
        input_ids_BT, mask_BT = _left_pad(prompts, width, device)
        position_BT = (mask_BT.cumsum(1) - 1).clamp(min=0)
        cache = DynamicCache(config=self.model.config)
        while active and sampling.max_new_tokens > 0:
            output = self.model(
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
            for row, token, logprob in zip(
                active, next_ids.tolist(), logprobs.tolist(), strict=True
            ):
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

    def _finish(self, row: _Row) -> Generation:
        return Generation(
            row.token_ids,
            self.tokenizer.decode(row.token_ids),
            row.logprobs,
            "stop" if row.stopped else "length",
        )


def _row_seed(sampling: Sampling, place: int) -> int:
    return (sampling.seed * 1_000_003 + place) % (1 << 62)


def _left_pad(prompts: list[list[int]], width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    ids = [[0] * (width - len(p)) + p for p in prompts]
    mask = [[0] * (width - len(p)) + [1] * len(p) for p in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _choose(logits_BV: Tensor, rows: list[_Row], sampling: Sampling) -> Tensor:
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
