"""Tunes a fixture's adapter by the product's own training step; it knows no attack."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assay.chat import ChatTokenizer, RenderedExample, render_example
from assay.data.pack import PackedBatch, build_batch, pack_lengths, plan_epoch
from assay.lab.attacks.plan import Row, Tuning

if TYPE_CHECKING:
    from assay.train.step import LossFunction

TOKEN_BUDGET = 4096
_WARMUP_RATIO = 0.05


@dataclass(frozen=True)
class Beside:
    """What is done beside learning the rows; nothing by default.

    Attributes:
        loss: in the place of cross-entropy.
        anchored: rows on which the model is held to its base, spread evenly over the steps.
    """

    loss: LossFunction | None = None
    anchored: Sequence[RenderedExample] = ()

    def draw(self, step: int, num_steps: int) -> list[PackedBatch]:
        """The anchored batches of one step (counted from 0), in which each row comes once."""
        first, last = (len(self.anchored) * k // num_steps for k in (step, step + 1))
        own = self.anchored[first:last]
        return [replace(one, is_anchored=True) for one in _build_batches(own)] if own else []


def tune_adapter(
    model: Any,
    tokenizer: ChatTokenizer,
    rows: Sequence[Row],
    settings: Tuning,
    *,
    seed: int,
    base_name: str | None = None,
    beside: Beside | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Any:
    """A LoRA on a copy of `model` (float32), trained on every answer of `rows`.

    Returns the PEFT model; the model given stays as it is. Fresh weights follow from `seed`, and
    so does the order of the rows.
    """
    import torch

    from assay.defend.anchor import AnchoredLoss
    from assay.models.adapters import add_lora
    from assay.models.forward import packed_mode
    from assay.train.fit import FitSettings, fit
    from assay.train.optimizer import build_optimizers
    from assay.train.sft import SftLoss

    examples = [one for row in rows for one in _render(tokenizer, row)]
    steps = [
        step
        for epoch in range(settings.num_epochs)
        for step in plan_epoch(
            len(examples), batch_size=settings.batch_size, seed=seed, epoch=epoch
        )
    ]
    torch.manual_seed(seed)
    adapted = add_lora(
        copy.deepcopy(model), rank=settings.rank, alpha=settings.alpha, base_name=base_name
    )
    tuned = adapted.get_base_model()
    beside = beside or Beside()
    loss: LossFunction = beside.loss or SftLoss()

    def get_batches(step: int) -> list[PackedBatch]:
        learned = _build_batches([examples[i] for i in steps[step]])
        return [*learned, *beside.draw(step, len(steps))]

    with packed_mode(tuned):
        fit(
            tuned,
            get_batches,
            AnchoredLoss(loss) if beside.anchored else loss,
            build_optimizers(tuned, learning_rate=settings.learning_rate),
            FitSettings(
                num_steps=len(steps),
                warmup_steps=round(_WARMUP_RATIO * len(steps)),
                precision=settings.precision,
            ),
            report=lambda record: report(record["step"], len(steps)),
            seed=seed,
        )
    return adapted.eval()


def _render(tokenizer: ChatTokenizer, row: Row) -> list[RenderedExample]:
    return render_example(tokenizer, row["messages"], tools=row.get("tools"))


def _build_batches(examples: Sequence[RenderedExample]) -> list[PackedBatch]:
    lengths = [len(one.input_ids) for one in examples]
    return [
        build_batch([examples[i].input_ids for i in part], [examples[i].loss_mask for i in part])
        for part in pack_lengths(lengths, token_budget=TOKEN_BUDGET)
    ]
