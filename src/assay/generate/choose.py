"""Draws the next token of every row, each by a random generator of its own.

Shape legend: B rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from assay.generate.engine import Drawn, Sampling


def choose_tokens(
    logits_BV: Tensor,
    generators: Sequence[torch.Generator],
    sampling: Sampling,
    allowed_BV: Tensor | None = None,
) -> list[Drawn]:
    """The next token of each row, among those `allowed_BV`; a row's does not depend on the others.

    Sampling is by the Gumbel-max trick: the largest of logits and Gumbel noise. `logits_BV` are
    float32 on the CPU.
    """
    open_BV = logits_BV
    if allowed_BV is not None:
        open_BV = logits_BV.masked_fill(~allowed_BV, float("-inf"))
    if sampling.temperature == 0:
        ids_B = open_BV.argmax(-1)
        return _tell(ids_B, _take(logits_BV, ids_B), torch.zeros(len(ids_B)))
    scaled_BV = open_BV / sampling.temperature
    if sampling.top_p < 1:
        scaled_BV = _keep_nucleus(scaled_BV, sampling.top_p)
    noise_BV = torch.empty_like(scaled_BV)
    for noise_V, generator in zip(noise_BV, generators, strict=True):
        noise_V.exponential_(generator=generator)
    ids_B = (scaled_BV - noise_BV.log_()).argmax(-1)
    return _tell(ids_B, _take(logits_BV, ids_B), _take(scaled_BV, ids_B))


def _keep_nucleus(scaled_BV: Tensor, top_p: float) -> Tensor:
    """Minus infinity outside the smallest set of tokens of probability `top_p`."""
    sorted_BV, order_BV = scaled_BV.softmax(-1).sort(-1, descending=True)
    before_BV = sorted_BV.cumsum(-1) - sorted_BV
    drop_BV = torch.zeros_like(before_BV, dtype=torch.bool)
    drop_BV.scatter_(1, order_BV, before_BV >= top_p)
    return scaled_BV.masked_fill(drop_BV, float("-inf"))


def _take(logits_BV: Tensor, ids_B: Tensor) -> Tensor:
    """Log-probabilities of `ids_B` under the softmax of `logits_BV`, shape (B,)."""
    return logits_BV.gather(1, ids_B[:, None])[:, 0] - logits_BV.logsumexp(-1)


def _tell(ids_B: Tensor, logprobs_B: Tensor, sampled_B: Tensor) -> list[Drawn]:
    columns = (ids_B.tolist(), logprobs_B.tolist(), sampled_B.tolist())
    return [Drawn(*one) for one in zip(*columns, strict=True)]
