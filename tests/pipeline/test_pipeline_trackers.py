"""Trackers: asked for before anything is done, told every number, and never a run's end."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from assay.errors import ConfigError
from assay.pipeline.job import Job
from assay.pipeline.trackers import check_trackers, open_trackers

RECORD = {"step": 3, "train/loss": 1.5, "eval/loss": 2, "note": "text"}


class FakeRun:
    """What `wandb.init` gives: a context that takes numbers, or fails from the second on."""

    def __init__(self, logged: list[Any], fails: bool) -> None:
        self.logged, self.fails = logged, fails

    def __enter__(self) -> "FakeRun":
        return self

    def __exit__(self, *reason: object) -> None:
        self.logged.append("closed")

    def log(self, numbers: dict[str, float], *, step: int) -> None:
        if self.fails and self.logged:
            raise ConnectionError("no route to host")
        self.logged.append((step, numbers))


def make_job(tmp_path: Path, notes: list[str]) -> Job:
    recipe = SimpleNamespace(trackers=["wandb"], model_dump=lambda mode: {"base": "tiny"})
    return cast(
        Job,
        SimpleNamespace(
            recipe=recipe,
            run=SimpleNamespace(path=tmp_path / "run"),
            progress=SimpleNamespace(note=notes.append),
        ),
    )


def fake_wandb(monkeypatch: pytest.MonkeyPatch, init: Any) -> None:
    module = ModuleType("wandb")
    module.init = init  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)


def test_missing_packages_are_named_together_before_the_run_begins() -> None:
    check_trackers([])
    with pytest.raises(ConfigError) as caught:
        check_trackers(["no_such_tracker", "nor_this_one"])
    assert [p.key for p in caught.value.problems] == ["trackers", "trackers"]
    assert "pip install nor_this_one" in str(caught.value)


@pytest.mark.parametrize("fails", [False, True])
def test_numbers_arrive_and_a_failing_tracker_is_left_out(
    fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[Any] = []
    notes: list[str] = []
    monkeypatch.setenv("WANDB_PROJECT", "mine")

    def init(**given: Any) -> FakeRun:
        assert (given["project"], given["name"], given["config"]) == (
            "mine",
            "run",
            {"base": "tiny"},
        )
        return FakeRun(logged, fails)

    fake_wandb(monkeypatch, init)
    with open_trackers(make_job(tmp_path, notes)) as track:
        for step in (3, 4, 5):
            track({**RECORD, "step": step})
    numbers = {"train/loss": 1.5, "eval/loss": 2}
    steps = [3] if fails else [3, 4, 5]
    assert logged == [*((step, numbers) for step in steps), "closed"]
    assert notes == (
        ["wandb failed and is left out from step 4: no route to host"] if fails else []
    )


def test_a_tracker_that_does_not_start_is_the_recipes_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**given: Any) -> FakeRun:
        raise RuntimeError("api key not configured")

    fake_wandb(monkeypatch, init)
    with (
        pytest.raises(
            ConfigError, match=r"wandb, which did not start: api key .* assay run --resume"
        ),
        open_trackers(make_job(tmp_path, [])),
    ):
        pass
