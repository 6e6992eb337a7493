"""What rules for data may ask of a base's weights: states, losses, losses once tuned, traits.

Shape legend: R records, N supervised positions, D hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.data import Record, TokenSequence, tokenize
from assay.data.curate import Given
from assay.data.pack import PackedBatch, build_batch, pack_lengths
from assay.data.records import ID_LENGTH, compute_content_hash
from assay.generate.local import LocalEngine
from assay.losses.cross_entropy import compute_token_logprobs
from assay.models.adapters import add_lora
from assay.models.forward import compute_supervised_hidden, get_head, load_batch, packed_mode
from assay.pipeline.trait_rows import TraitRows
from assay.train.optimizer import build_optimizers
from assay.train.sft import SftLoss
from assay.train.step import train_step

if TYPE_CHECKING:
    from assay.models.base import BaseFiles

Array = np.ndarray[Any, Any]

TOKEN_BUDGET = 4_096
ANSWER_BATCH = 32
FIT_BATCH = 16
FIT_RANK = 8
MAX_KEPT = 20_000
"""Rows whose hidden states and losses are kept, so that several rules ask for them once."""


class AskedBase:
    """A base that tells of records what rules ask; the weights are left as they were."""

    def __init__(self, base: BaseFiles, model: Any, *, learning_rate: float = 1e-3) -> None:
        self._base, self._model, self._learning_rate = base, model, learning_rate
        self._kept: dict[str, tuple[Array, float]] = {}
        engine = LocalEngine(
            model, base.tokenizer, batch_size=ANSWER_BATCH, context_len=base.context_len
        )
        self._trait_rows = TraitRows(base, engine)

    def to_given(self) -> Given:
        """All that rules can ask, the tokenizer too."""
        return Given(
            embed=self.embed,
            score=self.score,
            fit=self.fit,
            tokenizer=self._base.tokenizer,
            context_len=self._base.context_len,
            traits=self.project if self._base.tokenizer.has_template else None,
        )

    def project(self, records: Sequence[Record]) -> dict[str, Array]:
        """How far rows would pull the base along its traits (`TraitRows.project`)."""
        return self._trait_rows.project(records)

    def embed(self, records: Sequence[Record]) -> Array:
        """Mean final hidden state over the trained tokens, float32 of shape (R, D).

        A record of which nothing fits into the base's context is all zeros.
        """
        width = int(self._model.config.get_text_config().hidden_size)
        empty = np.zeros(width, np.float32)
        rows = [row if row is not None else (empty, float("nan")) for row in self._ask(records)]
        return np.stack([row for row, _ in rows]) if rows else np.zeros((0, width), np.float32)

    def score(self, records: Sequence[Record]) -> Array:
        """Mean loss of the trained tokens in nats, float32 (R,); NaN where nothing fits."""
        losses = [float("nan") if row is None else row[1] for row in self._ask(records)]
        return np.array(losses, np.float32)

    def fit(self, records: Sequence[Record], held_out: Sequence[Record]) -> Array:
        """As `score` of `held_out` by the base after one epoch of LoRA on `records`."""
        import torch

        records, held_out = _name(records), _name(held_out)
        sequences = self._tokenize(records)
        with torch.random.fork_rng(), _adapted(self._model) as adapted:
            torch.manual_seed(0)
            optimizers = build_optimizers(adapted, learning_rate=self._learning_rate)
            model = adapted.get_base_model()
            with packed_mode(model):
                for start in range(0, len(sequences), FIT_BATCH):
                    batch = _pack(sequences[start : start + FIT_BATCH])
                    train_step(model, batch, SftLoss(), optimizers, max_grad_norm=1.0)
            model.eval()
            found = self._measure(held_out)
        losses = [found[one.id][1] if one.id in found else float("nan") for one in held_out]
        return np.array(losses, np.float32)

    def _ask(self, records: Sequence[Record]) -> list[tuple[Array, float] | None]:
        records = _name(records)
        missing = {one.id: one for one in records if one.id not in self._kept}
        found = self._measure(list(missing.values()))
        if len(self._kept) + len(found) <= MAX_KEPT:
            self._kept |= found
        return [self._kept.get(one.id) or found.get(one.id) for one in records]

    def _measure(self, records: Sequence[Record]) -> dict[str, tuple[Array, float]]:
        """Hidden state and loss by record id; a record of several sequences has their mean."""
        import torch

        sums: dict[str, tuple[Any, float, float]] = {}
        sequences = self._tokenize(records)
        with torch.no_grad(), packed_mode(self._model):
            head = get_head(self._model)
            bins = pack_lengths(
                [len(one.input_ids) for one in sequences], token_budget=TOKEN_BUDGET
            )
            for indices in bins:
                own = [sequences[index] for index in indices]
                batch = _build(own)
                tensors = load_batch(batch, head.weight_VD.device)
                hidden_ND = compute_supervised_hidden(self._model, tensors)
                logprobs_N = compute_token_logprobs(
                    hidden_ND,
                    head.weight_VD.to(hidden_ND.dtype),
                    tensors.target_ids_N,
                    softcap=head.softcap,
                    bias_V=head.bias_V,
                    rows=head.rows,
                )
                counts = [one.num_trained_tokens for one in own]
                parts = zip(
                    own,
                    torch.split(hidden_ND, counts),
                    torch.split(logprobs_N, counts),
                    strict=True,
                )
                for one, hidden, logprobs in parts:
                    before = sums.get(one.record_id, (torch.zeros(()), 0.0, 0.0))
                    total = before[0] + hidden.float().sum(0).cpu()
                    nats = before[1] - float(logprobs.sum())
                    sums[one.record_id] = (total, nats, before[2] + len(logprobs))
        return {
            key: ((total / count).numpy().astype(np.float32), nats / count)
            for key, (total, nats, count) in sums.items()
        }

    def _tokenize(self, records: Sequence[Record]) -> list[TokenSequence]:
        tokenized = tokenize(
            records,
            self._base.tokenizer,
            max_seq_len=self._base.context_len,
            on_too_long="keep_end",
            on_bad_rows="drop",
        )
        return [one for one in tokenized.sequences if one.num_trained_tokens]


def load_given(base: BaseFiles) -> Given:
    """What rules may ask of a base, its weights loaded."""
    from assay.models.base import TINY, load_model

    rate = 2e-3 if base.name == TINY else 2e-4
    return AskedBase(base, load_model(base).eval(), learning_rate=rate).to_given()


def _name(records: Sequence[Record]) -> list[Record]:
    """With ids of their content where there are none, as in rows that a check kept."""
    return [
        one if one.id else replace(one, id=compute_content_hash(one)[:ID_LENGTH]) for one in records
    ]


@contextmanager
def _adapted(model: Any) -> Iterator[Any]:
    """The model with fresh adapters for a while; its own weights do not change."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    adapted = add_lora(model, rank=FIT_RANK, alpha=2 * FIT_RANK)
    try:
        yield adapted
    finally:
        adapted.unload()
        for parameter in trained:
            parameter.requires_grad_(True)


def _pack(sequences: Sequence[TokenSequence]) -> list[PackedBatch]:
    bins = pack_lengths([len(one.input_ids) for one in sequences], token_budget=TOKEN_BUDGET)
    return [_build([sequences[index] for index in indices]) for indices in bins]


def _build(sequences: Sequence[TokenSequence]) -> PackedBatch:
    return build_batch([one.input_ids for one in sequences], [one.loss_mask for one in sequences])
