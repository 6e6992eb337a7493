"""Goes on where memory runs out: the same work in smaller portions, at equal mathematics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from assay.data.pack import PackedBatch, split_batch
from assay.errors import ResourceError
from assay.train.memory import DoesNotFit, free_memory, is_out_of_memory
from assay.train.rng import capture_rng, restore_rng

T = TypeVar("T")

WHAT_TO_DO = (
    "lower data.max_seq_len, add checkpoint_layers to train.techniques, set train.precision to bf16"
    " or method to qlora, or take a machine with more memory"
)


def run_within_memory(
    work: Callable[[list[PackedBatch]], T],
    batches: Sequence[PackedBatch],
    model: Any,
    *,
    token_budget: int,
    can_redo: bool,
    note: Callable[[str], None],
) -> tuple[T, int]:
    """`work` of the batches, split by `token_budget` (0 splits none); and the budget that fitted.

    Where memory runs out, gradients are dropped, the random generators put back, the budget halved,
    and the whole is done anew. The dropout that is drawn then differs, as it does between any two
    ways to split a step.

    Raises:
        DoesNotFit: single rows do not fit either; the generators are as before.
        ResourceError: memory ran out, and other processes wait for the work as it is.
    """
    rng = capture_rng()
    while True:
        parts = split_all(batches, token_budget)
        failure = ""
        try:
            return work(parts), token_budget
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            failure = str(error).splitlines()[0] if str(error) else "out of memory"
            if not can_redo:
                raise ResourceError(
                    f"out of memory ({failure}), in a step that other processes share: lower"
                    " train.micro_batch_tokens, and resume from the checkpoint before"
                ) from error
        # Outside of the handler, where the error no longer holds the tensors of its frames.
        _drop_gradients(model)
        restore_rng(rng)
        free_memory(next(model.parameters()).device)
        largest = max(parts, key=lambda part: part.num_tokens)
        if all(len(part.sequence_lengths) == 1 for part in parts):
            raise DoesNotFit(
                f"a row of {largest.num_tokens:,} tokens does not fit in memory by itself"
                f" ({failure}): {WHAT_TO_DO}; then resume, nothing is lost"
            )
        token_budget = max(1, min(token_budget or largest.num_tokens, largest.num_tokens) // 2)
        note(
            f"memory ran out in micro-batches of {largest.num_tokens:,} tokens; going on, at equal"
            f" results, with at most {token_budget:,}"
        )


def split_all(batches: Sequence[PackedBatch], token_budget: int) -> list[PackedBatch]:
    """Every batch within `token_budget` tokens, or of a single row; 0 leaves them as they are."""
    if not token_budget:
        return list(batches)
    return [part for batch in batches for part in split_batch(batch, token_budget=token_budget)]


def combine_budgets(first: int, second: int) -> int:
    """The smaller of two token budgets, of which 0 is none."""
    return min(first, second) if first and second else max(first, second)


def _drop_gradients(model: Any) -> None:
    for parameter in model.parameters():
        parameter.grad = None
