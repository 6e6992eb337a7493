"""Spreads the sequences of a step over the ranks that train together; it knows nothing of torch.

A pure function of the step's sequences, the rank and the number of ranks, so every rank knows the
shares of all and a resumed run finds its own again.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.data.answers import Answer, AnswerRow
from assay.data.pack import BatchKind, PackedBatch
from assay.data.portions import build_answer_batch


def share_lengths(lengths: Sequence[int], num_shares: int) -> list[list[int]]:
    """Indices into `lengths` of each share, balanced by tokens: the longest first, to the least.

    Each index is in one share, ascending; a share is empty where there are too few.
    """
    shares: list[list[int]] = [[] for _ in range(num_shares)]
    totals = [0] * num_shares
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        least = min(range(num_shares), key=lambda share: (totals[share], share))
        shares[least].append(index)
        totals[least] += lengths[index]
    return [sorted(share) for share in shares]


def build_filler(kind: BatchKind) -> PackedBatch:
    """A batch of a few tokens that weighs nothing, for a rank that has to keep others company.

    Where weights are spread over the ranks, all of them run equally many micro-batches. Its loss
    and its gradient are zero.
    """
    if kind in ("pairs", "rated"):
        answers = (Answer([0, 0], [0.0, 1.0]),) * (2 if kind == "pairs" else 1)
        return build_answer_batch([AnswerRow(answers, weight=0.0)])
    return PackedBatch(
        input_ids=[0, 0],
        position_ids=[0, 1],
        sequence_lengths=[2],
        target_positions=[0],
        target_ids=[0],
        target_weights=[0.0],
        is_anchored=kind == "anchored",
    )
