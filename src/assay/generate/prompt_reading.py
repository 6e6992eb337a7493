"""What a pass over a prompt says of it: mean states, and the likelihood of some of its tokens.

Shape legend: n tokens, D hidden size, B means, V vocabulary, C tokens of a chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_CHUNK = 256
"""Tokens whose logits are held at once."""


@dataclass(frozen=True)
class PromptReading:
    """Means of the base's states, float32 (B, D); and sums of log-probabilities, in nats.

    `logprobs` are of the base and then of each adapter, over `num_scored` tokens; empty where no
    adapter was asked.
    """

    means_BD: Tensor
    logprobs: list[float]
    num_scored: int


def average_masked(states_nD: Tensor, mask: Sequence[float]) -> Tensor:
    """The weighted mean, float32 on the CPU, shape (D,)."""
    weights_n = torch.tensor(mask, dtype=torch.float32, device=states_nD.device)
    mean_D: Tensor = weights_n @ states_nD.float() / weights_n.sum()
    return mean_D.cpu()


def compute_sum(
    compute_logits: Callable[[Tensor], Tensor],
    hidden_nD: Tensor,
    token_ids: Sequence[int],
    asked: Sequence[int],
) -> float:
    """The sum of the log-probabilities of the tokens at the places `asked`, none of which is 0."""
    total = 0.0
    for start in range(0, len(asked), _CHUNK):
        places = asked[start : start + _CHUNK]
        before = torch.tensor([place - 1 for place in places], device=hidden_nD.device)
        logits_CV = compute_logits(hidden_nD[before])
        targets_C = torch.tensor([token_ids[place] for place in places])
        chosen_C = logits_CV.float().log_softmax(-1).gather(1, targets_C[:, None])
        total += float(chosen_C.sum())
    return total
