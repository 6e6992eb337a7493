"""What is known of a batch's tokens since they were sampled, as tensors.

Shape legend: N tokens of completions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from assay.data.pack import PackedBatch


@dataclass(frozen=True)
class SampledTensors:
    """What is known of a batch's tokens since they were sampled, each float32 of shape (N,)."""

    advantages_N: Tensor
    old_N: Tensor
    sampled_N: Tensor
    refs_N: Tensor
    has_refs: bool
    values_N: Tensor
    returns_N: Tensor


def read_sampled(batch: PackedBatch, logprobs_N: Tensor) -> SampledTensors:
    """The tensors of a batch; where no old log-probabilities are kept, the model's own are they.

    On the first update after a rollout the model that learns is the one that sampled.
    """
    sampled = [a.sampled for row in batch.rows for a in row.answers if a.sampled is not None]

    def join(name: str) -> Tensor:
        return logprobs_N.new_tensor([x for one in sampled for x in getattr(one, name)])

    old_N, refs_N = join("old_logprobs"), join("ref_logprobs")
    own_N = logprobs_N.detach()
    return SampledTensors(
        join("advantages"),
        old_N if len(old_N) else own_N,
        join("sampled_logprobs"),
        refs_N if len(refs_N) else own_N,
        has_refs=bool(len(refs_N)),
        values_N=_or_zeros(join("values"), own_N),
        returns_N=_or_zeros(join("returns"), own_N),
    )


def _or_zeros(found_N: Tensor, like_N: Tensor) -> Tensor:
    """Numbers that are known, or zeros: of a batch that stands in for a rollout there are none."""
    return found_N if len(found_N) else torch.zeros_like(like_N)
