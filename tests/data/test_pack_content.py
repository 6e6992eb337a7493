"""Packing by properties: every token and target of every sequence, once, in its place."""

from hypothesis import given
from hypothesis import strategies as st

from assay.data.pack import build_batch, pack_lengths

Row = tuple[list[int], list[float]]
TOKENS = st.tuples(st.integers(0, 99), st.sampled_from([0.0, 0.5, 1.0]))
ROWS = st.lists(st.lists(TOKENS, min_size=1, max_size=12), max_size=12)


def split(rows: list[list[tuple[int, float]]]) -> list[Row]:
    return [([t for t, _ in row], [w for _, w in row]) for row in rows]


@given(ROWS, st.integers(1, 40))
def test_no_token_or_target_is_lost_doubled_or_moved(
    drawn: list[list[tuple[int, float]]], budget: int
) -> None:
    rows = split(drawn)
    bins = pack_lengths([len(ids) for ids, _ in rows], token_budget=budget)
    found: dict[int, Row] = {}
    for indices in bins:
        batch = build_batch([rows[i][0] for i in indices], [rows[i][1] for i in indices])
        assert batch.num_tokens == sum(batch.sequence_lengths)
        targets = dict(
            zip(
                batch.target_positions,
                zip(batch.target_ids, batch.target_weights, strict=True),
                strict=True,
            )
        )
        assert len(targets) == len(batch.target_positions)
        start = 0
        for index, length in zip(indices, batch.sequence_lengths, strict=True):
            ids = batch.input_ids[start : start + length]
            assert batch.position_ids[start : start + length] == list(range(length))
            mask = [0.0] * length
            for place in range(length - 1):
                if start + place in targets:
                    target, weight = targets.pop(start + place)
                    assert target == ids[place + 1], "a target stands one to the right"
                    mask[place + 1] = weight
            found[index] = (ids, mask)
            start += length
        assert not targets, "no target across the end of a sequence"
    expected = {i: (ids, [0.0, *mask[1:]]) for i, (ids, mask) in enumerate(rows)}
    assert found == expected


@given(ROWS, st.integers(1, 40))
def test_the_loss_weight_does_not_depend_on_the_packing(
    drawn: list[list[tuple[int, float]]], budget: int
) -> None:
    rows = split(drawn)
    bins = pack_lengths([len(ids) for ids, _ in rows], token_budget=budget)
    weight = sum(
        build_batch([rows[i][0] for i in b], [rows[i][1] for i in b]).loss_weight for b in bins
    )
    assert weight == sum(sum(mask[1:]) for _, mask in rows)
