"""Shots: rows of the task before rows that only keep the base's skills, of different groups."""

from assay.data import Record
from assay.pipeline.questions import choose_shots


def _record(number: int, group: str | None, *, hold_out: bool) -> Record:
    messages = [{"role": "user", "content": f"q{number}"}, {"role": "assistant", "content": "a"}]
    return Record(
        str(number), messages, None, "chat", group, "f.jsonl", number, "f", hold_out=hold_out
    )


def test_shots_are_rows_of_the_task_and_of_different_groups_first() -> None:
    general = [_record(n, None, hold_out=False) for n in range(50)]
    task = [_record(100 + n, "ab"[n % 2], hold_out=True) for n in range(4)]
    for seed in range(10):
        two = choose_shots([*general, *task], num_shots=2, seed=seed)
        assert {shot.group for shot in two} == {"a", "b"}
        many = choose_shots([*general, *task], num_shots=9, seed=seed)
        assert {shot.id for shot in many} == {record.id for record in task}
    assert len(choose_shots(general, num_shots=3, seed=0)) == 3
