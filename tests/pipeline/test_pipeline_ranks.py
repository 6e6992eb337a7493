"""Several processes train one run: how they are started, watched, interrupted and ended."""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from transformers import PreTrainedModel

from assay.config import load
from assay.errors import ConfigError, DataError, Problem, ResourceError, TrainingError
from assay.pipeline import launch, resume_run, run_recipe, tuned
from assay.pipeline.launch import train_on_ranks
from assay.pipeline.progress import PlainProgress
from assay.pipeline.tune_run import run_tuning
from assay.pipeline.worker import ended_file
from assay.runs import RunFolder, find_run, list_runs, read_json

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

FAKE = """\
import os, signal, sys, time
from assay.errors import DataError, LostRanksError, Problem
from assay.pipeline.relay import RelayedProgress
rank, progress = int(os.environ["RANK"]), RelayedProgress(sys.stdout)
{body}
"""
LOST_AND_KILLED = """\
if rank == 1:
    os.kill(os.getpid(), signal.SIGKILL)
progress.end(LostRanksError("rank 0 of 2 lost the others"))
sys.exit(1)
"""
HANGING = """\
if rank == 0:
    time.sleep(600)
sys.exit("Segmentation fault, or worse")
"""
REFUSING = """\
progress.end(DataError([Problem("a row", "a better one", "mend it", line=3 + rank)]))
sys.exit(2)
"""
INTERRUPTED = """\
count = []
signal.signal(signal.SIGINT, lambda *_: count.append(1))
progress.step({"step": 1}, 2)
while not count:
    time.sleep(0.01)
time.sleep(0.3)
open(f"interrupted-{rank}", "w").write(str(len(count)))
sys.exit(130)
"""


class Watcher(PlainProgress):
    """Calls `act` when a step's metrics come in."""

    def __init__(self, act: Callable[[int], None] = lambda step: None) -> None:
        super().__init__()
        self.act = act
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def step(self, record: dict[str, Any], num_steps: int) -> None:
        self.act(record["step"])


@pytest.fixture
def launch_fake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[RunFolder, Watcher]]:
    """Starts two processes of the given code in place of the workers."""

    def start(body: str, act: Callable[[int], None] = lambda step: None) -> tuple[Any, Any]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(launch, "WORKER", ("-c", FAKE.format(body=body)))
        monkeypatch.setattr(launch, "GRACE_S", 1.0)
        run, watcher = RunFolder(tmp_path), Watcher(act)
        train_on_ranks(run, num_ranks=2, progress=watcher)
        return run, watcher

    return start


def test_a_killed_rank_is_blamed_and_not_the_one_that_lost_it(launch_fake: Any) -> None:
    with pytest.raises(ResourceError, match=r"rank 1 of 2 was killed.*rank-1\.log.*--resume"):
        launch_fake(LOST_AND_KILLED)


def test_a_rank_that_hangs_after_anothers_end_is_stopped(launch_fake: Any) -> None:
    started = time.monotonic()
    with pytest.raises(TrainingError, match="rank 1 of 2 ended with exit code 1") as caught:
        launch_fake(HANGING)
    assert time.monotonic() - started < 10
    log = str(caught.value).split("its log is ")[1].split(";")[0]
    assert "Segmentation fault" in Path(log).read_text("utf-8")


def test_an_error_of_a_rank_is_raised_as_it_was(launch_fake: Any) -> None:
    with pytest.raises(DataError) as caught:
        launch_fake(REFUSING)
    assert caught.value.problems == [Problem("a row", "a better one", "mend it", line=3)]


def test_what_a_rank_prints_is_a_note(launch_fake: Any) -> None:
    _, watcher = launch_fake("print('hello', rank)\nprogress.note('[1, 2]')")
    assert sorted(watcher.notes) == ["[1, 2]", "[1, 2]", "hello 0", "hello 1"]


def test_an_interruption_reaches_every_rank_once(launch_fake: Any, tmp_path: Path) -> None:
    ready: list[int] = []

    def interrupt(step: int) -> None:
        ready.append(step)
        if len(ready) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch_fake(INTERRUPTED, interrupt)
    for rank in (0, 1):
        assert (tmp_path / f"interrupted-{rank}").read_text("utf-8") == "1"


def test_more_processes_than_sequences_of_a_step_are_refused(recipe: Path) -> None:
    with pytest.raises(ConfigError, match="at most one process for each sequence of a step"):
        run_recipe(recipe, ["train.batch_size=2", "launch.processes=3"])


def count_models() -> int:
    gc.collect()
    return sum(issubclass(type(one), PreTrainedModel) for one in gc.get_objects())


@pytest.mark.parametrize("start", [run_recipe, run_tuning])
def test_no_model_is_in_this_process_while_the_others_train(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[..., Any]
) -> None:
    found: list[int] = []

    def count_and_stop(run: RunFolder, **options: Any) -> None:
        found.append(count_models())
        raise KeyboardInterrupt

    monkeypatch.setattr(tuned, "train_on_ranks", count_and_stop)
    before = count_models()
    with pytest.raises(KeyboardInterrupt):
        start(recipe, ["launch.processes=2", "evaluate.shots=[0]", "evaluate.max_items=4"])
    assert found == [before]


def curve(run: RunFolder) -> list[dict[str, Any]]:
    return [{k: v for k, v in m.items() if k != "tokens_per_s"} for m in run.read_metrics()]


SETTINGS = ["method.dropout=0", "train.max_steps=20", "train.eval_every_steps=5"]


def kill_rank_1(step: int) -> None:
    """What the system does to a process for want of memory."""
    if step == 4:
        for child in psutil.Process().children():
            if child.environ().get("RANK") == "1":
                os.kill(child.pid, signal.SIGKILL)


def find_named(recipe: Path, name: str) -> RunFolder:
    (summary,) = [one for one in list_runs(recipe.parent / "runs") if one.name == name]
    return find_run(recipe.parent / "runs", summary.path)


def assert_same_curve(run: RunFolder, other: RunFolder) -> None:
    assert [record["step"] for record in curve(run)] == list(range(1, 21))
    for found, expected in zip(curve(run), curve(other), strict=True):
        assert found == pytest.approx(expected, rel=1e-4)


def test_a_killed_rank_ends_the_run_and_two_resume_to_the_curve_of_one(recipe: Path) -> None:
    alone = run_recipe(recipe, [*SETTINGS, "name=alone"])
    started: list[float] = []

    def act(step: int) -> None:
        kill_rank_1(step)
        started.append(time.monotonic())

    with pytest.raises(ResourceError, match="rank 1 of 2 was killed") as caught:
        run_recipe(recipe, [*SETTINGS, "name=two", "launch.processes=2"], progress=Watcher(act))
    assert time.monotonic() - started[-1] < 60
    assert caught.value.exit_code == 4
    run = find_named(recipe, "two")
    assert not ended_file(run).exists()
    watcher = Watcher()
    resumed = resume_run(run, progress=watcher)
    assert "2 processes, weights whole" in "\n".join(watcher.notes)
    assert_same_curve(run, alone.run)
    training, other = (read_json(r.manifest)["training"] for r in (run, alone.run))
    assert training.pop("precision") == other.pop("precision") == "fp32"
    assert training.pop("techniques") == other.pop("techniques") == ""
    assert training.pop("drifted") == other.pop("drifted") == ""
    assert training == pytest.approx(other, rel=1e-4, abs=1e-6)
    gates = {gate["name"]: gate["outcome"] for gate in resumed.verdict["gates"]}
    assert gates["integrity/adapter_reloads"] == "pass"


@pytest.mark.slow
def test_an_interrupted_run_of_two_goes_on_as_one(recipe: Path) -> None:
    """Steps so large that the interrupt comes to the ranks before the last."""
    large = [*SETTINGS, "train.batch_size=512", "train.learning_rate=0.002"]
    alone = run_recipe(recipe, [*large, "name=alone"])

    def interrupt(step: int) -> None:
        if step == 4:
            raise KeyboardInterrupt

    settings = [*large, "train.checkpoints.every_s=1000", "name=two", "launch.processes=2"]
    with pytest.raises(KeyboardInterrupt):
        run_recipe(recipe, settings, progress=Watcher(interrupt))
    run = find_named(recipe, "two")
    (checkpoint,) = run.checkpoints.glob("step-*")
    assert 4 <= int(checkpoint.name.removeprefix("step-")) < 20
    resume_run(run, ["launch.processes=1"])
    assert_same_curve(run, alone.run)


@pytest.mark.slow
@pytest.mark.parametrize("technique", ["reuse_in_memory", "reuse_on_disk"])
def test_two_reuse_frozen_layers_to_the_curve_of_one_that_does_not(
    recipe: Path, technique: str
) -> None:
    settings = ["method={type: freeze, top_layers: 1}", "train.learning_rate=0.001", *SETTINGS[1:]]
    plain = run_tuning(recipe, [*settings, "train.techniques=[]", "name=alone"])
    watcher = Watcher()
    two = [*settings, f"train.techniques=[{technique}]", "launch.processes=2", "name=two"]
    run = run_tuning(recipe, two, progress=watcher).run
    assert "of each process" in "\n".join(watcher.notes)
    assert_same_curve(run, plain.run)
    assert not list(run.checkpoints.glob("*.bin"))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "qlora"])
def test_torchrun_spreads_the_weights_and_the_run_goes_on_to_its_verdict(
    recipe: Path, method: str
) -> None:
    if method == "qlora":
        pytest.importorskip("bitsandbytes")
    settings = [f"method={method}", "train.learning_rate=0.001", *SETTINGS[1:]]
    alone = run_recipe(recipe, [*settings, "name=alone"])
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    worker = ["-m", "assay.pipeline.worker", str(recipe), *settings, "name=two"]
    done = subprocess.run(
        [*torchrun, *worker, "--weights", "spread"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    run = find_named(recipe, "two")
    assert f"assay run --resume {run.path}" in done.stderr
    assert (run.checkpoints / "best" / "weights.shards").is_dir() == (method == "full")
    assert load(run.recipe, base_dir=recipe.parent).recipe.launch.processes == 2
    assert_same_curve(run, alone.run)
    resumed = resume_run(run)
    gates = {gate["name"]: gate["outcome"] for gate in resumed.verdict["gates"]}
    assert gates["integrity/adapter_reloads"] == "pass"
    again = subprocess.run([*torchrun, *worker[:2], str(run.path)], capture_output=True, text=True)
    assert again.returncode != 0
    assert "its training has ended" in again.stderr
