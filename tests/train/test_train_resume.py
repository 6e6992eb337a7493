"""Resumption from every kind of end: exception, Ctrl-C, kill, full disk, damaged files."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import make_model, make_rows
from torch import Tensor

from assay.data.pack import PackedBatch, build_batch
from assay.errors import CheckpointError, ResourceError
from assay.models.adapters import add_lora
from assay.models.forward import packed_mode
from assay.train.checkpoint import Checkpoints, trainable_tensors
from assay.train.fit import FitResult, FitSettings, fit
from assay.train.optimizer import build_optimizers
from assay.train.sft import SftLoss, compute_mean_loss

ROWS = make_rows(24)
NUM_STEPS = 8
Record = dict[str, Any]


class Stop(Exception):
    """What a test interrupts a run with."""


def get_batches(step: int) -> list[PackedBatch]:
    rows = [ROWS[(3 * step + i) % len(ROWS)] for i in range(3)]
    return [build_batch([ids for ids, _ in part], [m for _, m in part]) for part in (rows, rows)]


def start(seed: int = 0, *, rank: int = 4) -> Any:
    torch.manual_seed(seed)
    return add_lora(make_model(), rank=rank, alpha=8.0, dropout=0.3).get_base_model()


def run(
    model: Any,
    folder: Path,
    *,
    resume: bool = False,
    seed: int = 5,
    loss: Any = None,
    report: Any = None,
    optimizer: Any = "adamw",
    validate: Any = None,
    **changes: Any,
) -> tuple[FitResult, list[Record]]:
    """`fit` with dropout and a validation every other step; the seed differs where resumed."""
    records: list[Record] = []

    def collect(record: Record) -> None:
        records.append({k: v for k, v in record.items() if k != "tokens_per_s"})
        if report:
            report(record)

    settings = {"num_steps": NUM_STEPS, "warmup_steps": 2, "checkpoint_every_steps": 2} | changes
    torch.manual_seed(seed)
    validation = get_batches(99)
    with packed_mode(model):
        result = fit(
            model,
            get_batches,
            loss or SftLoss(),
            build_optimizers(model, name=optimizer, learning_rate=2e-2, matrix_learning_rate=2e-2),
            FitSettings(**{"eval_every_steps": 2, **settings}),
            validate=validate or (lambda: compute_mean_loss(model, validation)),
            report=collect,
            checkpoints=Checkpoints(folder),
            resume=resume,
        )
    return result, records


def assert_same(a: Any, b: Any) -> None:
    first, second = trainable_tensors(a), trainable_tensors(b)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


class FailingLoss:
    """The loss of SFT that raises in its n-th call, after the forward pass has drawn dropout."""

    def __init__(self, call: int, error: BaseException) -> None:
        self.call, self.error = call, error

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor:
        self.call -= 1
        loss = SftLoss()(model, batch)
        if self.call == 0:
            raise self.error
        return loss


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("error", [Stop(), KeyboardInterrupt()])
def test_an_interruption_within_a_step_loses_that_step_alone(
    tmp_path: Path, error: BaseException, optimizer: str
) -> None:
    """Two micro-batches a step: call 12 is the second half of step 6, after dropout was drawn."""
    whole = start()
    expected_result, expected = run(whole, tmp_path / "whole", optimizer=optimizer)
    with pytest.raises(type(error)):
        run(start(), tmp_path / "cut", loss=FailingLoss(12, error), optimizer=optimizer)
    assert Checkpoints(tmp_path / "cut").steps() == [2, 4]
    resumed = start(seed=77)
    result, rest = run(resumed, tmp_path / "cut", resume=True, seed=99, optimizer=optimizer)
    assert rest == expected[4:]
    assert result == expected_result
    assert_same(whole, resumed)


def test_ctrl_c_waits_for_the_step_and_its_evaluation(tmp_path: Path) -> None:
    """A real SIGINT in the middle of step 6 (which is evaluated) is raised once all is saved."""
    whole = start()
    _, expected = run(whole, tmp_path / "whole", checkpoint_every_steps=0)
    calls = 0

    def pressed(model: Any, batch: PackedBatch) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 11:
            os.kill(os.getpid(), signal.SIGINT)
        return SftLoss()(model, batch)

    seen: list[Record] = []
    with pytest.raises(KeyboardInterrupt):
        run(start(), tmp_path / "cut", loss=pressed, report=seen.append, checkpoint_every_steps=0)
    assert [record["step"] for record in seen] == [1, 2, 3, 4, 5, 6]
    assert seen[-1]["eval/loss"] == expected[5]["eval/loss"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert Checkpoints(tmp_path / "cut").steps() == [6]
    resumed = start(seed=77)
    _, rest = run(resumed, tmp_path / "cut", resume=True, seed=99, checkpoint_every_steps=0)
    assert rest == expected[6:]
    assert_same(whole, resumed)


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    def pressed_twice(model: Any, batch: PackedBatch) -> Tensor:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
        return SftLoss()(model, batch)

    model = start()
    before = trainable_tensors(model)
    with pytest.raises(KeyboardInterrupt):
        run(model, tmp_path, loss=pressed_twice)
    assert Checkpoints(tmp_path).steps() == []
    for name, value in trainable_tensors(model).items():
        assert torch.equal(value, before[name])


def test_ctrl_c_in_the_last_step_is_not_swallowed(tmp_path: Path) -> None:
    def report(record: Record) -> None:
        if record["step"] == NUM_STEPS:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(start(), tmp_path, report=report)
    assert Checkpoints(tmp_path).steps()[-1] == NUM_STEPS


def test_a_run_that_stopped_early_stays_stopped_when_resumed(tmp_path: Path) -> None:
    """A kill after training, while the result is evaluated, must not train on."""

    def worse() -> Iterator[float]:
        yield from (3.0, 1.0, 2.0, 2.5, 0.1, 0.1, 0.1, 0.1)

    losses = worse()
    first = start()
    changes: dict[str, Any] = {"eval_every_steps": 1, "patience": 2}
    result, _ = run(first, tmp_path, validate=lambda: next(losses), **changes)
    assert result.stopped_early
    assert (result.num_steps, result.best_step) == (4, 2)
    again = start(seed=77)
    resumed, records = run(again, tmp_path, resume=True, validate=lambda: next(losses), **changes)
    assert records == []
    assert resumed == result
    assert_same(first, again)


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    first, again = start(), start(seed=77)
    result, _ = run(first, tmp_path)
    resumed, records = run(again, tmp_path, resume=True)
    assert records == []
    assert resumed == result
    assert_same(first, again)


KILLED = """
import sys
sys.path.insert(0, sys.argv[2])
import test_train_resume as t
from pathlib import Path
t.run(t.start(), Path(sys.argv[1]), report=lambda r: print(r["step"], flush=True),
      checkpoint_every_steps=1, num_steps=10_000, schedule="constant")
"""


def test_kill_9_in_the_middle_resumes_to_the_same_bits(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "cut"), str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
    )
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) >= 3:
            break
    child.kill()
    child.wait()
    child.stdout.close()
    reached = Checkpoints(tmp_path / "cut").steps()[-1]
    total = reached + 3
    # The child's settings in all but their length, on which a constant rate does not depend.
    changes: dict[str, Any] = {
        "num_steps": total,
        "checkpoint_every_steps": 1,
        "schedule": "constant",
    }
    whole, resumed = start(), start(seed=77)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        _, expected = run(whole, tmp_path / "whole", **changes)
        _, rest = run(resumed, tmp_path / "cut", resume=True, seed=99, **changes)
    finally:
        torch.set_num_threads(threads)
    assert rest == expected[reached:]
    assert_same(whole, resumed)


@pytest.fixture()
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 KiB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_named_and_the_checkpoint_before_resumes(
    small_disk: Path, tmp_path: Path
) -> None:
    whole = start()
    _, expected = run(whole, tmp_path / "whole")
    filler = small_disk / "filler"

    def fill(record: Record) -> None:
        if record["step"] == 3:
            with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
                while True:
                    file.write(b"\0" * 4096)

    with pytest.raises(ResourceError, match="the disk is full"):
        run(start(), small_disk / "run", report=fill)
    assert Checkpoints(small_disk / "run").steps() == [2]
    assert sorted(p.name for p in (small_disk / "run").iterdir()) == ["best", "step-2"]
    filler.unlink()
    resumed = start(seed=77)
    _, rest = run(resumed, small_disk / "run", resume=True, seed=99)
    assert rest == expected[2:]
    assert_same(whole, resumed)


@pytest.mark.parametrize("name", ["weights", "optimizer", "rng", "state"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_every_damaged_file_is_named(tmp_path: Path, name: str, damage: str) -> None:
    model = start()
    optimizers = build_optimizers(model, learning_rate=1e-2)
    folder = Checkpoints(tmp_path).save(model, optimizers, {"step": 7})
    (path,) = folder.glob(f"{name}.*")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.unlink()
    with pytest.raises(CheckpointError, match="step-7: the checkpoint cannot be read"):
        Checkpoints(tmp_path).load(model, optimizers)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    Checkpoints(tmp_path).save(start(), [], {"step": 1})
    with pytest.raises(CheckpointError, match=r"shape \[4, 32\], not \[8, 32\]"):
        Checkpoints(tmp_path).load(start(rank=8), [])


def test_damaged_best_weights_are_named(tmp_path: Path) -> None:
    model, store = start(), Checkpoints(tmp_path)
    assert not store.load_best(model)
    store.save_best(model)
    path = tmp_path / "best" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CheckpointError, match="best"):
        store.load_best(model)


def test_a_kill_between_the_renames_of_a_replacement_is_undone(tmp_path: Path) -> None:
    """Replacing `best` renames the old one away, then the new one in; the kill falls between."""
    model = start()
    Checkpoints(tmp_path).save_best(model)
    kept = trainable_tensors(model)
    (tmp_path / "best").rename(tmp_path / ".best.old")
    other = start(seed=3)
    assert Checkpoints(tmp_path).load_best(other)
    for name, value in trainable_tensors(other).items():
        assert torch.equal(value, kept[name])


def test_only_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    model, store = start(), Checkpoints(tmp_path, keep=3)
    for step in (2, 4, 10, 12, 100):
        store.save(model, [], {"step": step})
    assert store.steps() == [10, 12, 100]
    (tmp_path / ".step-200.draft").mkdir()
    assert Checkpoints(tmp_path).steps() == [10, 12, 100], "a draft is no checkpoint"
