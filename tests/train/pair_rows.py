"""Random pairs and ratings for the training core, and their log-probabilities unpacked."""

import random
from dataclasses import replace
from typing import Any

import torch

from assay.data.answers import Answer, AnswerRow
from assay.losses.pairs import Pairs


def make_pairs(num: int = 6, *, seed: int = 0, refs: bool = True) -> list[AnswerRow]:
    """Prompts of 3 to 12 tokens with two answers of 1 to 8; some answers begin alike."""
    rng = random.Random(seed)
    rows = []
    for number in range(num):
        prompt = [rng.randrange(61) for _ in range(rng.randint(3, 12))]
        chosen, rejected = ([rng.randrange(61) for _ in range(rng.randint(1, 8))] for _ in "cr")
        if number % 3 == 1:
            rejected = [*chosen[:1], *rejected]
        answers = tuple(
            Answer(
                [*prompt, *ids],
                [0.0] * len(prompt) + [1.0] * len(ids),
                ref_logprob=-4.0 * len(ids) - rng.random() if refs else 0.0,
            )
            for ids in (chosen, rejected)
        )
        rows.append(AnswerRow(answers))
    return rows


def make_rated(num: int = 8) -> list[AnswerRow]:
    """Rows of one answer each, of which every third is unwanted, and one of another prompt."""
    return [
        AnswerRow((own,), is_wanted=n % 3 != 2, mismatched=replace(other, ref_logprob=-40.0))
        for n, (own, other) in enumerate(pair.answers for pair in make_pairs(num))
    ]


def sum_plainly(model: Any, answer: Answer) -> torch.Tensor:
    """Σ log p of an answer's tokens: the sequence by itself, with full logits."""
    ids = torch.tensor([answer.input_ids])
    # PEFT's own pass gives the virtual tokens' logits too, before those of the row.
    logits = model(input_ids=ids, use_cache=False).logits[0, -ids.shape[1] : -1].float()
    logprobs = logits.log_softmax(-1).gather(1, ids[0, 1:, None]).squeeze(1)
    return (logprobs * torch.tensor(answer.loss_mask[1:])).sum()


def build_plainly(model: Any, rows: list[AnswerRow]) -> Pairs:
    """The pairs of `rows`, each answer by a forward pass of its own."""
    sums = [[sum_plainly(model, answer) for answer in row.answers] for row in rows]
    refs = [[answer.ref_logprob for answer in row.answers] for row in rows]
    counts = [[sum(answer.loss_mask) for answer in row.answers] for row in rows]
    chosen, rejected = (torch.stack([pair[side] for pair in sums]) for side in (0, 1))
    return Pairs(
        chosen,
        rejected,
        *torch.tensor(refs).T,
        *torch.tensor(counts).T,
    )
