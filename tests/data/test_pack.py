"""Packing: no token lost or doubled, the budget kept, targets one to the right."""

from hypothesis import given
from hypothesis import strategies as st

from assay.data.pack import build_batch, pack_lengths, plan_epoch


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(1, 100))
def test_every_sequence_is_packed_once_within_the_budget(lengths: list[int], budget: int) -> None:
    bins = pack_lengths(lengths, token_budget=budget)
    assert sorted(i for one in bins for i in one) == list(range(len(lengths)))
    for one in bins:
        assert sum(lengths[i] for i in one) <= budget or len(one) == 1
    if lengths:
        assert max(lengths) in [lengths[i] for i in bins[0]], "the longest comes first"


@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 5), st.integers(0, 3))
def test_an_epoch_sees_each_row_once(num: int, size: int, seed: int, epoch: int) -> None:
    plan = plan_epoch(num, batch_size=size, seed=seed, epoch=epoch)
    assert sorted(i for step in plan for i in step) == list(range(num))
    assert all(len(step) == size for step in plan[:-1])
    assert plan == plan_epoch(num, batch_size=size, seed=seed, epoch=epoch)


def test_targets_by_hand() -> None:
    batch = build_batch([[5, 6, 7], [8, 9]], [[1.0, 0.0, 2.0], [1.0, 1.0]])
    assert batch.input_ids == [5, 6, 7, 8, 9]
    assert batch.position_ids == [0, 1, 2, 0, 1]
    assert batch.sequence_lengths == [3, 2]
    assert batch.target_positions == [1, 3]
    assert batch.target_ids == [7, 9]
    assert batch.target_weights == [2.0, 1.0]
    assert batch.loss_weight == 3.0
