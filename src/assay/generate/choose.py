"""Draws the next token of every row, each by a random generator of its own.

Shape legend: B rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from assay.generate.engine import Drawn, Sampling

_LIKELIEST = 256
"""Tokens among which a nucleus is looked for first."""


def choose_tokens(
    logits_BV: Tensor,
    generators: Sequence[torch.Generator],
    sampling: Sampling,
    allowed_BV: Tensor | None = None,
    *,
    shifted_BV: Tensor | None = None,
) -> list[Drawn]:
    """The next token of each row, among those `allowed_BV`; a row's does not depend on the others.

    With `shifted_BV` it is drawn from those logits, and `logits_BV` say its probability alone.

    Sampling is by the Gumbel-max trick: the largest of logits and Gumbel noise. `logits_BV` are
    float32 on the CPU.
    """
    open_BV = logits_BV if shifted_BV is None else shifted_BV
    if allowed_BV is not None:
        open_BV = open_BV.masked_fill(~allowed_BV, float("-inf"))
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
    probs_BV = scaled_BV.softmax(-1)
    # Sorting the whole vocabulary costs more than a step of a small model.
    top_BK, order_BK = probs_BV.topk(min(_LIKELIEST, probs_BV.shape[1]))
    if bool((top_BK.sum(-1) < top_p).any()):
        top_BK, order_BK = probs_BV.sort(-1, descending=True)
    is_kept_BK = top_BK.cumsum(-1) - top_BK < top_p
    kept_BK = scaled_BV.gather(1, order_BK).masked_fill(~is_kept_BK, float("-inf"))
    return torch.full_like(scaled_BV, float("-inf")).scatter_(1, order_BK, kept_BK)


def _take(logits_BV: Tensor, ids_B: Tensor) -> Tensor:
    """Log-probabilities of `ids_B` under the softmax of `logits_BV`, shape (B,)."""
    return logits_BV.gather(1, ids_B[:, None])[:, 0] - logits_BV.logsumexp(-1)


def _tell(ids_B: Tensor, logprobs_B: Tensor, sampled_B: Tensor) -> list[Drawn]:
    columns = (ids_B.tolist(), logprobs_B.tolist(), sampled_B.tolist())
    return [Drawn(*one) for one in zip(*columns, strict=True)]
