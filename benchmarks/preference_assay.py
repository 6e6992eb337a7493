"""Assay's side of `benchmarks.preference`: an epoch of each objective, and its steps' losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.preference import BATCH_SIZE, draw_pairs, draw_rated, make_model, rotate, start

TOKEN_BUDGET = 1024


def run_dpo(count: int) -> list[float]:
    """One epoch: the reference of every answer, then the steps; their losses."""
    from assay.losses.dpo import compute_sigmoid
    from assay.models.adapters import add_lora
    from assay.models.forward import packed_mode
    from assay.train.optimizer import build_optimizers
    from assay.train.preference import PreferenceLoss
    from assay.train.step import train_step

    model = add_lora(make_model(), rank=16, alpha=32.0).get_base_model()
    rows = build_rows(count)
    loss = PreferenceLoss(partial(compute_sigmoid, beta=0.1), beta=0.1)
    optimizers = build_optimizers(model, learning_rate=1e-4)
    start()
    with packed_mode(model):
        model.eval()
        rows = [row for part in split(rows) for row in refer(model, part)]
        model.train()
        return [
            train_step(model, pack(part), loss, optimizers, max_grad_norm=1.0).loss
            for part in split(rows)
        ]


def run_reward(count: int) -> list[float]:
    """One epoch of a reward model; the losses of its steps."""
    import torch

    from assay.models.adapters import add_lora
    from assay.models.forward import packed_mode
    from assay.models.score_head import add_score_head
    from assay.train.optimizer import build_optimizers
    from assay.train.reward import RewardLoss
    from assay.train.step import train_step

    torch.manual_seed(0)
    model = add_lora(add_score_head(make_model()), rank=16, alpha=32.0).get_base_model()
    rows = build_rows(count)
    optimizers = build_optimizers(model, learning_rate=1e-4)
    start()
    with packed_mode(model):
        return [
            train_step(model, pack(part), RewardLoss(), optimizers, max_grad_norm=1.0).loss
            for part in split(rows)
        ]


def run_kto(count: int) -> list[float]:
    """One epoch: the reference of every answer and of those in another's place, then the steps."""
    from assay.models.adapters import add_lora
    from assay.models.forward import packed_mode
    from assay.train.optimizer import build_optimizers
    from assay.train.rated import RatedLoss
    from assay.train.step import train_step

    model = add_lora(make_model(), rank=16, alpha=32.0).get_base_model()
    rows = build_rated(count)
    optimizers = build_optimizers(model, learning_rate=1e-4)
    start()
    with packed_mode(model):
        model.eval()
        rows = [row for part in split(rows) for row in refer_rated(model, part)]
        model.train()
        loss = RatedLoss(beta=0.1)
        return [
            train_step(model, pack(part), loss, optimizers, max_grad_norm=1.0).loss
            for part in split(rows)
        ]


def build_rows(count: int) -> list[Any]:
    from assay.data.answers import Answer, AnswerRow

    return [
        AnswerRow(
            tuple(
                Answer([*prompt, *ids], [0.0] * len(prompt) + [1.0] * len(ids)) for ids in answers
            )
        )
        for prompt, *answers in draw_pairs(count)
    ]


def split(rows: list[Any]) -> list[list[Any]]:
    return [rows[i : i + BATCH_SIZE] for i in range(0, len(rows), BATCH_SIZE)]


def pack(rows: Sequence[Any]) -> list[Any]:
    from assay.data.pack import pack_lengths
    from assay.data.portions import build_answer_batch

    bins = pack_lengths([row.num_tokens for row in rows], token_budget=TOKEN_BUDGET)
    return [build_answer_batch([rows[i] for i in own]) for own in bins]


def refer(model: Any, rows: Sequence[Any]) -> list[Any]:
    """The rows with what the model says of their answers."""
    import torch

    from assay.train.answers import compute_answer_logprobs

    found = []
    with torch.no_grad():
        for batch in pack(rows):
            logprobs = compute_answer_logprobs(model, batch)
            sums = iter(logprobs.sum(logprobs.logprobs_N).tolist())
            for row in batch.rows:
                answers = tuple(replace(one, ref_logprob=next(sums)) for one in row.answers)
                found.append(replace(row, answers=answers))
    return found


def build_rated(count: int) -> list[Any]:
    """Every answer with its rating, and its prompt with the answer before it in the step."""
    from assay.data.answers import Answer, AnswerRow

    def join(prompt: list[int], ids: list[int]) -> Answer:
        return Answer([*prompt, *ids], [0.0] * len(prompt) + [1.0] * len(ids))

    rows = []
    for part in split(draw_rated(count)):
        others = rotate([ids for _, ids, _ in part])
        for (prompt, own, label), other in zip(part, others, strict=True):
            answers = (join(prompt, own),)
            rows.append(AnswerRow(answers, is_wanted=label, mismatched=join(prompt, other)))
    return rows


def refer_rated(model: Any, rows: Sequence[Any]) -> list[Any]:
    """The rows with what the model says of both answers, which share their prompt."""
    wide = [replace(row, answers=(*row.answers, row.mismatched)) for row in rows]
    return [
        replace(row, answers=row.answers[:1], mismatched=row.answers[1])
        for row in refer(model, wide)
    ]


RUNS = {"dpo": run_dpo, "kto": run_kto, "reward": run_reward}
