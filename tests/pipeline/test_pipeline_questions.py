"""Items and shots from records: what a row says of itself, and which rows are examples."""

from typing import Any

from assay.data import Record
from assay.evaluate.scorers import score_exact
from assay.pipeline.questions import build_items, choose_shots


def _record(number: int, group: str | None = None, **changes: Any) -> Record:
    messages = [{"role": "user", "content": f"q{number}"}, {"role": "assistant", "content": "Yes"}]
    values: dict[str, Any] = {"kind": "chat", "role": "task", **changes}
    return Record(
        id=str(number),
        messages=messages,
        tools=None,
        group=group,
        file="f.jsonl",
        line=number,
        source="f",
        **values,
    )


def test_shots_are_rows_of_the_task_and_of_different_groups_first() -> None:
    general = [_record(n, None, role="extra") for n in range(50)]
    task = [_record(100 + n, "ab"[n % 2]) for n in range(4)]
    for seed in range(10):
        two = choose_shots([*general, *task], num_shots=2, seed=seed)
        assert {shot.group for shot in two} == {"a", "b"}
        many = choose_shots([*general, *task], num_shots=9, seed=seed)
        assert {shot.id for shot in many} == {record.id for record in task}
    assert len(choose_shots(general, num_shots=3, seed=0)) == 3


def test_no_column_changes_how_a_row_is_asked_or_judged() -> None:
    columns = {"kind": "chat", "casefold": False, "ordered": True, "refusal_markers": ["yes"]}
    record = _record(1, kind="completion", extra=columns)
    (item,) = build_items([record], max_items=9, seed=0, metric="exact")
    assert (item.rendering, item.options, item.extra) == ("completion", {}, columns)
    assert score_exact("YES", item).correct


def test_items_are_drawn_by_seed_and_kept_in_order() -> None:
    records = [_record(n) for n in range(40)]
    drawn = [int(i.id) for i in build_items(records, max_items=9, seed=3, metric="auto")]
    assert len(drawn) == 9
    assert drawn == sorted(drawn)
    other = [int(i.id) for i in build_items(records, max_items=9, seed=4, metric="auto")]
    assert drawn != other
