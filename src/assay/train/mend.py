"""Goes on where memory runs out: the same work in smaller portions, at equal mathematics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from assay.data.pack import PackedBatch
from assay.data.portions import split_batch
from assay.errors import ResourceError
from assay.train.memory import DoesNotFit, SharedShortage, free_memory, is_out_of_memory
from assay.train.ranks import ALONE, Ranks
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
    ranks: Ranks = ALONE,
    note: Callable[[str], None],
) -> tuple[T, int]:
    """`work` of the batches, split by `token_budget` (0 splits none); and the budget that fitted.

    Where memory runs out, gradients are dropped, the random generators put back, the budget halved,
    and the whole is done anew. The dropout that is drawn then differs, as it does between any two
    ways to split a step. Of several `ranks` all do so together, where `work` has them agree that
    memory ran out on one of them (`SharedShortage`).

    Raises:
        DoesNotFit: single rows do not fit either; the generators are as before.
        ResourceError: memory ran out where the ranks cannot agree on it any more.
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
            if ranks.num_ranks > 1 and not isinstance(error, SharedShortage):
                raise ResourceError(
                    f"out of memory ({failure}), while other processes wait for this one: lower"
                    " train.micro_batch_tokens, and resume from the checkpoint before"
                ) from error
        # Outside of the handler, where the error no longer holds the tensors of its frames.
        _drop_gradients(model)
        restore_rng(rng)
        free_memory(next(model.parameters()).device)
        (largest,) = ranks.max(max((part.num_tokens for part in parts), default=0))
        if not ranks.any(any(part.num_parts > 1 for part in parts)):
            raise DoesNotFit(
                f"a row of {largest:,} tokens does not fit in memory by itself"
                f" ({failure}): {WHAT_TO_DO}; then resume, nothing is lost"
            )
        token_budget = max(1, min(token_budget or largest, largest) // 2)
        note(
            f"memory ran out in micro-batches of {largest:,} tokens; going on, at equal"
            f" results, with at most {token_budget:,}"
        )


@contextmanager
def shortage_agreed(ranks: Ranks) -> Iterator[None]:
    """Have all `ranks` fail alike, and before they wait for one another, where memory runs out.

    For work in which no rank needs the others.

    Raises:
        SharedShortage: of several ranks, memory ran out within on this one or another.
    """
    failure = ""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if ranks.num_ranks == 1 or not is_out_of_memory(error):
            raise
        failure = str(error) or "out of memory"
    if ranks.num_ranks > 1 and ranks.any(bool(failure)):
        raise SharedShortage(failure or "on another process")


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
