"""The start-up self-test: packed logits must equal those of each sequence run by itself.

It runs on the user's own model, so that an architecture whose attention, positions or state leak
between packed sequences is refused before a step is taken. Like is compared with like: a leak is
looked for with the packed attention on both sides, where hardly any rounding differs; and apart
from it the packed attention is held against the model's own, whose kernels round elsewhere.

Shape legend: T tokens, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from assay.data.pack import build_batch
from assay.data.shared import build_shared
from assay.errors import TrainingError
from assay.models.forward import (
    Head,
    can_share,
    compute_hidden,
    get_head,
    load_batch,
    packed_mode,
)


@dataclass(frozen=True)
class Tolerance:
    """Largest allowed logit differences, as shares of the largest logit.

    `isolation` is of packed against alone, `kernel` of packed attention against the model's own.
    """

    isolation: float
    kernel: float


EXACT = Tolerance(isolation=1e-4, kernel=1e-4)
TOLERANCES = {
    torch.float32: EXACT,
    torch.bfloat16: Tolerance(isolation=0.02, kernel=0.06),
    torch.float16: Tolerance(isolation=0.005, kernel=0.015),
}
"""By dtype: rounding alone showed 0 and 0.018 in bfloat16; a leak shows 0.05 to 0.9."""
INT8 = Tolerance(isolation=0.06, kernel=0.1)
"""LLM.int8() also rounds its inputs but for columns with outliers, and finds those in the whole
batch, so that even without a leak packing showed 0.025 and other kernels 0.03."""


@dataclass(frozen=True)
class Difference:
    """The largest absolute logit difference, and the largest absolute logit beside it."""

    largest: float
    size: float


@torch.no_grad()
def check_isolation(model: Any, sequences: Sequence[Sequence[int]]) -> float:
    """Largest absolute difference between packed logits and those of each sequence alone.

    One packed pass of all, one of each alone, and one plain pass of the longest.

    Args:
        model: a causal language model.
        sequences: two or more token sequences, packed in this order.

    Raises:
        TrainingError: a difference is above the tolerance of the model's dtype, or the model is
            one whose head or attention the packed pass cannot reproduce.
    """
    training = model.training
    model.eval()
    try:
        isolation, kernel = _compare_passes(model, sequences)
    except (TypeError, ValueError) as error:
        # A forward pass that takes no sequence lengths, or a feature that is not reproduced.
        raise TrainingError(
            f"packed training does not support {error}; choose another base"
        ) from error
    finally:
        model.train(training)
    allowed = _find_tolerance(model)
    _require(isolation, allowed.isolation, "packed and separate logits of this base")
    _require(kernel, allowed.kernel, "logits of this base with packed and with its own attention")
    return isolation.largest


@torch.no_grad()
def check_shared(model: Any, sequences: Sequence[Sequence[int]]) -> float:
    """Largest absolute difference of logits where beginnings are computed once from those alone.

    Args:
        model: a causal language model; one whose sequences share nothing differs by 0.
        sequences: token sequences of which neighbours begin alike, as the answers of a pair do.

    Raises:
        TrainingError: a difference is above the tolerance of the model's dtype.
    """
    if not can_share(model):
        return 0.0
    head, shared = get_head(model), build_shared(sequences)
    device, training = head.weight_VD.device, model.training
    model.eval()
    with packed_mode(model):
        alone_UD = _compute_packed(model, sequences, head)
        batch = build_batch([shared.input_ids], [[0.0] * len(shared.input_ids)])
        batch = replace(
            batch,
            position_ids=shared.position_ids,
            sequence_lengths=shared.sequence_lengths,
            places=tuple(shared.places),
        )
        together_TD = compute_hidden(model, load_batch(batch, device))
    model.train(training)
    together_UD = together_TD[torch.tensor(shared.places, device=device)]
    found = _measure(_compute_logits(head, together_UD), _compute_logits(head, alone_UD))
    _require(
        found,
        _find_tolerance(model).isolation,
        "logits of this base with and without shared prompts",
    )
    return found.largest


def _compare_passes(
    model: Any, sequences: Sequence[Sequence[int]]
) -> tuple[Difference, Difference]:
    """All sequences packed against each alone, and packed attention against the model's own."""
    head = get_head(model)
    with packed_mode(model):
        together_TD = _compute_packed(model, sequences, head)
        alone = [_compute_packed(model, [ids], head) for ids in sequences]
    parts = torch.split(together_TD, [len(ids) for ids in sequences])
    found = [
        _measure(_compute_logits(head, part_TD), _compute_logits(head, alone_TD))
        for part_TD, alone_TD in zip(parts, alone, strict=True)
    ]
    isolation = Difference(max(d.largest for d in found), max(d.size for d in found))
    longest = max(range(len(sequences)), key=lambda index: len(sequences[index]))
    input_ids = torch.tensor([list(sequences[longest])], device=head.weight_VD.device)
    own_TV = model(input_ids=input_ids, use_cache=False).logits[0].float()
    return isolation, _measure(_compute_logits(head, alone[longest]), own_TV)


def _compute_packed(model: Any, sequences: Sequence[Sequence[int]], head: Head) -> Tensor:
    batch = build_batch(sequences, [[1.0] * len(ids) for ids in sequences])
    return compute_hidden(model, load_batch(batch, head.weight_VD.device))


def _compute_logits(head: Head, hidden_TD: Tensor) -> Tensor:
    hidden_TD = hidden_TD.to(head.weight_VD.dtype)
    logits_TV = hidden_TD @ head.weight_VD.t()
    if head.rows is not None:
        head.rows.put_into(logits_TV, hidden_TD)
    logits_TV = logits_TV.float()
    if head.bias_V is not None:
        logits_TV += head.bias_V
    if head.softcap is None:
        return logits_TV
    return torch.tanh(logits_TV / head.softcap) * head.softcap


def _measure(found_TV: Tensor, expected_TV: Tensor) -> Difference:
    return Difference(float((found_TV - expected_TV).abs().max()), float(expected_TV.abs().max()))


def _find_tolerance(model: Any) -> Tolerance:
    if getattr(model, "is_loaded_in_8bit", False):
        return INT8
    return TOLERANCES.get(model.get_output_embeddings().weight.dtype, EXACT)


def _require(difference: Difference, share: float, what: str) -> None:
    tolerance = share * difference.size
    if not difference.largest <= tolerance:
        raise TrainingError(
            f"the isolation self-test failed: {what} differ by {difference.largest:.3g}, more than"
            f" {tolerance:.3g}; this architecture cannot be trained packed"
        )
