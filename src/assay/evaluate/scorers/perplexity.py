"""Perplexity of gold answers, from log-probabilities that an engine measured; it runs no model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from assay.evaluate.grouped import group_ratio_bounds
from assay.evaluate.items import Score, unscored


def score_perplexity(sum_logprob: float, num_tokens: int) -> Score:
    """The geometric mean probability of one answer's tokens, exp(sum_logprob / num_tokens).

    That is 1 / perplexity: in [0, 1] and more is better, so that it pairs and gates like every
    other score. The perplexity itself, the sum (nats) and the count are in the detail.
    """
    if num_tokens < 1:
        return unscored("perplexity", "the answer has no token")
    if not math.isfinite(sum_logprob) or sum_logprob > 1e-3 * num_tokens:
        return unscored("perplexity", f"{sum_logprob} is not the log of a probability")
    mean_logprob = min(0.0, sum_logprob / num_tokens)
    detail = {
        "sum_logprob": sum_logprob,
        "num_tokens": num_tokens,
        "perplexity": _exp(-mean_logprob),
    }
    return Score("perplexity", math.exp(mean_logprob), None, detail)


def compute_corpus_perplexity(scores: Iterable[Score]) -> float | None:
    """exp(−Σ log p / Σ tokens) over the scored answers; None when there are none.

    Tokens weigh alike, so a long answer weighs more: this is the usual corpus figure, not the
    mean of the items' perplexities.
    """
    sums = [_read_nats(score) for score in scores if score.scored]
    num_tokens = sum(count for _, count in sums)
    return _exp(math.fsum(nats for nats, _ in sums) / num_tokens) if num_tokens else None


def compute_perplexity_bounds(
    scores: Sequence[Score],
    groups: Sequence[str],
    *,
    confidence: float,
    seed: int,
    num_resamples: int,
) -> tuple[float, float] | None:
    """The interval of `compute_corpus_perplexity`, `groups` one key a score; None without one.

    Nats per token are resampled, in whole groups (see `group_ratio_bounds`).
    """
    scored = [(score, group) for score, group in zip(scores, groups, strict=True) if score.scored]
    sums = [_read_nats(score) for score, _ in scored]
    bounds = group_ratio_bounds(
        [nats for nats, _ in sums],
        [float(count) for _, count in sums],
        [group for _, group in scored],
        confidence=confidence,
        seed=seed,
        num_resamples=num_resamples,
    )
    return (_exp(bounds[0]), _exp(bounds[1])) if bounds else None


def _read_nats(score: Score) -> tuple[float, int]:
    """The negative log-probability of an answer, and its tokens."""
    return -float(score.detail["sum_logprob"]), int(score.detail["num_tokens"])


def _exp(nats: float) -> float:
    # A perplexity above e^700 has no finite double; the cap keeps the record valid JSON.
    return math.exp(min(nats, 700.0))
