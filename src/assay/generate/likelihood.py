"""Log-probabilities of given tokens, and of every next token, under a model as it is.

Shape legend: P prompts, N asked positions, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from assay.generate.engine import SequenceScore
from assay.generate.passes import Seen, Tokens, evaluation_mode, iterate_hidden
from assay.losses.chunks import choose_chunk, compute_logits
from assay.losses.cross_entropy import compute_token_logprobs
from assay.losses.kl import compute_token_kl
from assay.models.forward import Head, get_head

Masked = tuple[Tokens, Sequence[float]]
"""Token ids, and a weight for each: that of producing it. Token 0 is never asked."""


def score_sequences(model: Any, sequences: Sequence[Masked]) -> list[SequenceScore]:
    """The weighted sum of each sequence's log-probabilities, and its weight."""
    found = compute_logprobs(model, sequences)
    scores = []
    for (_, mask), logprobs in zip(sequences, found, strict=True):
        weights = [float(weight) for weight in mask[1:] if weight > 0]
        total = sum(w * logprob for w, logprob in zip(weights, logprobs, strict=True))
        scores.append(SequenceScore(total, float(sum(weights))))
    return scores


def compute_logprobs(model: Any, sequences: Sequence[Masked]) -> list[list[float]]:
    """Log-probability (nats) of every token whose mask is above 0, in order, for each sequence."""
    head = get_head(model)
    found: list[list[float]] = [[] for _ in sequences]
    with evaluation_mode(model):
        for seen in _iterate_asked(model, sequences):
            targets = [
                sequences[owner][0][position + 1]
                for owner, position in zip(seen.owners, seen.positions, strict=True)
            ]
            logprobs_N = compute_token_logprobs(
                seen.hidden_ND,
                head.weight_VD.to(seen.hidden_ND.dtype),
                torch.tensor(targets, device=seen.hidden_ND.device),
                softcap=head.softcap,
                bias_V=head.bias_V,
                rows=head.rows,
            )
            for owner, logprob in zip(seen.owners, logprobs_N.tolist(), strict=True):
                found[owner].append(logprob)
    return found


def score_continuations(
    model: Any, prompts: Sequence[Tokens], continuations: Sequence[Sequence[Tokens]]
) -> list[list[SequenceScore]]:
    """The score of every continuation of each prompt; a prompt is computed once for all of its own.

    Equal to `score_sequences` of prompt and continuation end to end, masked on the continuation.
    """
    rows: list[Masked] = [
        ([*prompt, *ids], [0.0] * len(prompt) + [1.0] * len(ids))
        for prompt, own in zip(prompts, continuations, strict=True)
        for ids in own
    ]
    scores = iter(score_sequences(model, rows))
    return [[next(scores) for _ in own] for own in continuations]


def compute_next_logprobs(model: Any, prompts: Sequence[Tokens]) -> Tensor:
    """Log-probabilities of every token as the next one, float32 on the CPU, shape (P, V)."""
    head = get_head(model)
    found_PV = torch.empty(len(prompts), len(head.weight_VD))
    with evaluation_mode(model):
        for seen in iterate_hidden(model, prompts, [[len(ids) - 1] for ids in prompts]):
            step = choose_chunk(len(seen.owners), head.weight_VD)
            for start in range(0, len(seen.owners), step):
                logits_CV = _compute_logits(seen.hidden_ND[start : start + step], head)
                owners = torch.tensor(seen.owners[start : start + step])
                found_PV[owners] = logits_CV.log_softmax(-1).cpu()
    return found_PV


class Reference:
    """A model's own hidden states at the supervised positions, to compare another state with.

    Taken while the model is what it is compared with (its base); `compute_kl` is called when it is
    what is judged. The states stay in memory: N times D numbers.
    """

    def __init__(self, model: Any, sequences: Sequence[Masked]) -> None:
        self._sequences = sequences
        head = get_head(model)
        # With adapters off so are trained rows and copies of the head: this one is the base's.
        self._head = head
        with evaluation_mode(model):
            self._seen = list(_iterate_asked(model, sequences))

    def compute_kl(self, model: Any) -> list[list[float]]:
        """KL(reference ‖ model) in nats at every token whose mask is above 0, for each sequence."""
        head = get_head(model)
        found: list[list[float]] = [[] for _ in self._sequences]
        with evaluation_mode(model):
            passes = zip(self._seen, _iterate_asked(model, self._sequences), strict=True)
            for reference, seen in passes:
                kl_N = compute_token_kl(
                    seen.hidden_ND,
                    head.weight_VD.to(seen.hidden_ND.dtype),
                    reference.hidden_ND,
                    self._head.weight_VD.to(reference.hidden_ND.dtype),
                    softcap=head.softcap,
                    bias_V=head.bias_V,
                    rows=head.rows,
                )
                for owner, value in zip(seen.owners, kl_N.tolist(), strict=True):
                    found[owner].append(value)
        return found


def compute_kl_to_base(
    model: Callable[[], Any],
    sequences: Sequence[Masked],
    as_base: Callable[[], AbstractContextManager[None]],
) -> list[list[float]]:
    """KL(base ‖ tuned) in nats at every token whose mask is above 0, for each sequence.

    `model` gives the model of the moment, which within `as_base` is the base.
    """
    with as_base():
        reference = Reference(model(), sequences)
    return reference.compute_kl(model())


def _iterate_asked(model: Any, sequences: Sequence[Masked]) -> Iterator[Seen]:
    """Where each token whose mask is above 0 is predicted: at the position before it."""
    ids = [one for one, _ in sequences]
    positions = [[p - 1 for p in range(1, len(mask)) if mask[p] > 0] for _, mask in sequences]
    return iterate_hidden(model, ids, positions)


def _compute_logits(hidden_CD: Tensor, head: Head) -> Tensor:
    weight_VD = head.weight_VD.to(hidden_CD.dtype)
    return compute_logits(hidden_CD, weight_VD, head.softcap, head.bias_V, head.rows)
