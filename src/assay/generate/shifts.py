"""What is added to a row's logits before it draws: penalties for what it wrote, and biases.

Shape legend: B rows, V vocabulary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Shifts:
    """Of one row, in logits (nats).

    A token that the row drew c times before loses ``c · frequency``, and ``presence`` once, as in
    OpenAI's interface; negative ones are gains. `bias` gives tokens by id what they gain.
    """

    frequency: float = 0.0
    presence: float = 0.0
    bias: tuple[tuple[int, float], ...] = ()


def shift_logits(
    logits_BV: Tensor, shifts: Sequence[Shifts | None], drawn: Sequence[Sequence[int]]
) -> Tensor:
    """The logits that rows draw from, given what each has drawn; unchanged where none shifts."""
    if all(one is None for one in shifts):
        return logits_BV
    shifted_BV = logits_BV.clone()
    for row_V, one, ids in zip(shifted_BV, shifts, drawn, strict=True):
        if one is None:
            continue
        counts = Counter(ids) if one.frequency or one.presence else Counter[int]()
        _add(row_V, one.bias)
        _add(row_V, [(i, -one.frequency * c - one.presence) for i, c in counts.items()])
    return shifted_BV


def _add(row_V: Tensor, amounts: Sequence[tuple[int, float]]) -> None:
    if amounts:
        ids, values = zip(*amounts, strict=True)
        row_V[torch.tensor(ids)] += torch.tensor(values, dtype=row_V.dtype)
