"""What the sides of the preference benchmark train on is the same."""

from benchmarks.preference import BATCH_SIZE, draw_pairs, draw_rated, rotate
from benchmarks.preference_assay import build_rated, build_rows


def test_pairs_and_ratings_are_of_the_same_answers() -> None:
    pairs, rows = draw_pairs(6), build_rows(6)
    for (prompt, chosen, rejected), row in zip(pairs, rows, strict=True):
        assert [one.input_ids for one in row.answers] == [[*prompt, *chosen], [*prompt, *rejected]]
        assert [sum(one.loss_mask) for one in row.answers] == [len(chosen), len(rejected)]
    rated = [(p, ids, label) for p, c, r in pairs for ids, label in ((c, True), (r, False))]
    assert draw_rated(6) == rated


def test_a_divergence_is_read_by_the_answer_before_in_the_same_step() -> None:
    rated, rows = draw_rated(6), build_rated(6)
    for start in range(0, len(rated), BATCH_SIZE):
        part = rated[start : start + BATCH_SIZE]
        others = rotate([ids for _, ids, _ in part])
        assert others[0] == part[-1][1] and others[1:] == [ids for _, ids, _ in part[:-1]]
        for (prompt, own, label), other, row in zip(part, others, rows[start:], strict=False):
            assert row.answers[0].input_ids == [*prompt, *own] and row.is_wanted == label
            assert row.mismatched.input_ids == [*prompt, *other]
