"""Puts the answer of another row after each prompt, to see what a model makes of any answer.

A pure function of the rows and the seed; it knows no torch.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from assay.data.sequences import TokenSequence, find_runs


def add_mismatched(
    sequences: Sequence[TokenSequence], *, seed: int, max_seq_len: int
) -> list[TokenSequence]:
    """The sequences, each with the answer of another after its own prompt.

    Every answer is used once, after the prompt of the next row in an order drawn by seed; where
    that is the answer's own prompt, after the one after it. Answers end at `max_seq_len`. A single
    row, or rows of a single prompt, have none.
    """
    order = list(range(len(sequences)))
    random.Random(f"mismatched:{seed}").shuffle(order)
    found = list(sequences)
    for place, index in enumerate(order):
        own = sequences[index]
        others = (sequences[order[(place + step) % len(order)]] for step in range(1, len(order)))
        other = next((one for one in others if _prompt(one) != _prompt(own)), None)
        if other is not None:
            joined = _join(own, other, max_seq_len=max_seq_len)
            found[index] = replace(own, mismatched=joined)
    return found


def _join(prompt: TokenSequence, answer: TokenSequence, *, max_seq_len: int) -> TokenSequence:
    """The prompt of one sequence and the answer of another, at least one token of it."""
    before, start = _prompt(prompt), len(_prompt(answer))
    before = before[-(max_seq_len - 1) :]
    room = max_seq_len - len(before)
    ids, mask = answer.input_ids[start:][:room], answer.loss_mask[start:][:room]
    return replace(
        answer, input_ids=[*before, *ids], loss_mask=[0.0] * len(before) + mask, mismatched=None
    )


def _prompt(sequence: TokenSequence) -> list[int]:
    (start, _), *_ = find_runs(sequence.loss_mask)
    return sequence.input_ids[:start]
