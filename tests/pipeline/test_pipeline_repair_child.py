"""The run that a repair makes: its metrics are those of all tunings that made its weights."""

from pathlib import Path

from assay.pipeline.repair.child import join_metrics
from assay.runs import RunFolder
from assay.runs.metrics import append_line


def make_run(root: Path, name: str, tokens: list[int]) -> RunFolder:
    run = RunFolder(root / name)
    for step, count in enumerate(tokens, start=1):
        append_line(run.metrics, {"step": step, "tokens": count, "train/loss": None})
    return run


def test_steps_and_tokens_count_on_from_one_tuning_to_the_next(tmp_path: Path) -> None:
    held = make_run(tmp_path, "held", [10, 25])
    first = make_run(tmp_path, "first", [7])
    second = make_run(tmp_path, "second", [4, 8])
    child = make_run(tmp_path, "child", [10, 25])
    for _ in range(2):
        join_metrics(child, [held, RunFolder(tmp_path / "none"), first, second])
        lines = child.read_metrics()
        assert [one["step"] for one in lines] == [1, 2, 3, 4, 5]
        assert [one["tokens"] for one in lines] == [10, 25, 32, 36, 40]
    assert len(held.read_metrics()) == 2
