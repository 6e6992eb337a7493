"""The local engine: a Transformers model in this process completes, scores and shows its states.

Rows that end make place for waiting prompts; what is given whole is packed without padding. Shape
legend: P prompts, R sequences, L layers, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from assay.chat import ChatTokenizer
from assay.generate.decode import decode
from assay.generate.engine import (
    Generation,
    Progress,
    Sampling,
    SequenceScore,
    check_prompts,
    compute_seed,
)
from assay.generate.likelihood import (
    Masked,
    compute_kl_to_base,
    compute_logprobs,
    compute_next_logprobs,
    score_continuations,
    score_sequences,
)
from assay.generate.passes import Tokens
from assay.generate.rows import Ends, Row, Task
from assay.generate.schema import Schema
from assay.generate.states import Array, compute_mean_states
from assay.generate.stops import count_open
from assay.models.as_base import adapters_off


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
            GenerationError: a prompt is empty or leaves no room in the context, a stop string is
                empty, or the JSON schema cannot be followed.
        """
        check_prompts(prompts, sampling, self.context_len)
        places = range(len(prompts)) if places is None else places
        rows = [
            self._row(i, prompt, sampling, place=place)
            for i, (prompt, place) in enumerate(zip(prompts, places, strict=True))
        ]
        done = 0
        for ended in self._decode(rows, sampling):
            done += len(ended)
            if on_progress and ended:
                on_progress(done, len(rows))
        return [self._finish(row) for row in rows]

    def stream(self, prompt: Sequence[int], sampling: Sampling) -> Iterator[str]:
        """See `Engine`; what may be a part of a character or of a stop string is held back."""
        check_prompts([prompt], sampling, self.context_len)
        row = self._row(0, prompt, sampling, place=0)
        shown = 0
        for _ in self._decode([row], sampling):
            text = self.tokenizer.decode(row.token_ids)
            if row.is_done or text.endswith("\N{REPLACEMENT CHARACTER}"):
                continue
            end = len(text) - count_open(text, sampling.stop)
            if end > shown:
                yield text[shown:end]
                shown = end
        yield self._finish(row).text[shown:]

    def score(
        self, sequences: Sequence[tuple[Sequence[int], Sequence[float]]]
    ) -> list[SequenceScore]:
        """See `Engine`; sequences are packed, and common beginnings are computed once."""
        return score_sequences(self.model, sequences)

    def logprobs(self, sequences: Sequence[Masked]) -> list[list[float]]:
        """See `compute_logprobs`: of each supervised token apart."""
        return compute_logprobs(self.model, sequences)

    def score_continuations(
        self, prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]
    ) -> list[list[SequenceScore]]:
        """See `assay.generate.likelihood.score_continuations`."""
        return score_continuations(self.model, prompts, continuations)

    def next_logprobs(self, prompts: Sequence[Tokens]) -> Tensor:
        """Log-probabilities of every next token, float32 on the CPU, shape (P, V).

        Raises:
            GenerationError: a prompt is empty or leaves no room in the context.
        """
        check_prompts(prompts, Sampling(), self.context_len)
        return compute_next_logprobs(self.model, prompts)

    def hidden_states(
        self, sequences: Sequence[Masked], layers: Sequence[int] | None = None
    ) -> Array:
        """See `compute_mean_states`: float32 (R, L, D), means over the masked tokens."""
        return compute_mean_states(self.model, sequences, layers)

    def kl_to_base(
        self,
        sequences: Sequence[Masked],
        as_base: Callable[[], AbstractContextManager[None]] | None = None,
    ) -> list[list[float]]:
        """KL(base ‖ model) at each supervised token; within `as_base` this engine is the base.

        Without it the base is the model with its adapters off.
        """
        return compute_kl_to_base(lambda: self.model, sequences, as_base or self.adapters_off)

    def adapters_off(self) -> AbstractContextManager[None]:
        """The model as its base for a while; one whose own weights were tuned stays as it is."""
        return adapters_off(self.model)

    def _decode(self, rows: Sequence[Row], sampling: Sampling) -> Iterator[list[Row]]:
        stop_ids = sampling.stop_ids or self.tokenizer.eos_ids
        ends = Ends(frozenset(stop_ids), sampling.stop, self.tokenizer.decode)
        if sampling.json_schema is not None:
            schema = Schema(sampling.json_schema, self.tokenizer, stop_ids)
            for row in rows:
                row.guide = schema.begin()
        return decode(self.model, Task(rows, self.batch_size, sampling, ends))

    def _row(self, index: int, prompt: Sequence[int], sampling: Sampling, *, place: int) -> Row:
        # A row's own room in the context: that of its longest neighbour would cut it short.
        room = (self.context_len or 1 << 30) - len(prompt)
        generator = torch.Generator().manual_seed(compute_seed(sampling, place))
        return Row(index, prompt, generator, min(sampling.max_new_tokens, room))

    def _finish(self, row: Row) -> Generation:
        text = self.tokenizer.decode(row.token_ids) if row.text is None else row.text
        ended = row.stop_token is not None or row.text is not None
        return Generation(
            row.token_ids,
            text,
            [one.logprob for one in row.drawn],
            "stop" if ended else "length",
            [one.sampled_logprob for one in row.drawn],
            row.stop_token,
        )
