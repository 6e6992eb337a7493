"""The loop: resumed = uninterrupted, early stopping, schedules, non-finite losses, faults."""

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import make_model, make_rows

from assay.data.pack import build_batch
from assay.errors import CheckpointError, TrainingError
from assay.models.adapters import add_lora
from assay.models.forward import packed_mode
from assay.train.checkpoint import Checkpoints, trainable_tensors
from assay.train.fit import FitResult, FitSettings, fit
from assay.train.optimizer import build_optimizers
from assay.train.schedule import compute_lr_factor
from assay.train.sft import SftLoss

ROWS = make_rows(24)
NUM_STEPS = 10


def get_batches(step: int) -> Any:
    rows = [ROWS[(3 * step + i) % len(ROWS)] for i in range(3)]
    return [build_batch([ids for ids, _ in rows], [mask for _, mask in rows])]


def start(*, dropout: float = 0.2) -> Any:
    torch.manual_seed(0)
    return add_lora(make_model(), rank=4, alpha=8.0, dropout=dropout).get_base_model()


def run(
    model: Any, folder: Path | None, *, stop_at: int | None = None, **changes: Any
) -> tuple[FitResult, list[dict[str, Any]]]:
    records: list[dict[str, Any]] = []

    def report(record: dict[str, Any]) -> None:
        records.append({k: v for k, v in record.items() if k != "tokens_per_s"})
        if record["step"] == stop_at:
            raise KeyboardInterrupt

    resume = changes.pop("resume", False)
    validate = changes.pop("validate", None)
    loss = changes.pop("loss", SftLoss())
    settings = FitSettings(**{"num_steps": NUM_STEPS, "warmup_steps": 2, **changes})
    with packed_mode(model):
        result = fit(
            model,
            get_batches,
            loss,
            build_optimizers(model, learning_rate=1e-2),
            settings,
            validate=validate,
            report=report,
            checkpoints=Checkpoints(folder) if folder else None,
            resume=resume,
        )
    return result, records


def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path: Path) -> None:
    whole = start()
    torch.manual_seed(5)
    _, expected = run(whole, tmp_path / "whole")
    interrupted = start()
    torch.manual_seed(5)
    with pytest.raises(KeyboardInterrupt):
        run(interrupted, tmp_path / "parts", stop_at=4)
    torch.manual_seed(99)  # whatever the state, the checkpoint's generators decide
    resumed = start()
    _, rest = run(resumed, tmp_path / "parts", resume=True)
    assert rest == expected[4:]
    for name, value in trainable_tensors(whole).items():
        assert torch.equal(value, trainable_tensors(resumed)[name]), name


def test_a_truncated_checkpoint_is_named(tmp_path: Path) -> None:
    run(start(), tmp_path)
    weights = tmp_path / f"step-{NUM_STEPS}" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=f"step-{NUM_STEPS}"):
        run(start(), tmp_path, resume=True)


def test_a_checkpoint_of_another_method_is_refused(tmp_path: Path) -> None:
    run(start(), tmp_path)
    with pytest.raises(CheckpointError, match="not those of this method"):
        run(make_model(), tmp_path, resume=True)


FILE_LIMIT = """
import resource, sys
sys.path.insert(0, sys.argv[2])
import test_train_fit as t
from pathlib import Path
from assay.errors import ResourceError
from assay.train.checkpoint import Checkpoints
from assay.train.optimizer import build_optimizers
model = t.start()
optimizers = build_optimizers(model, learning_rate=1e-2)
store = Checkpoints(Path(sys.argv[1]))
store.save(model, optimizers, {"step": 1})
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
try:
    store.save(model, optimizers, {"step": 2})
except Exception as error:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    print(type(error).__name__, store.steps(), sorted(p.name for p in store.folder.iterdir()))
"""


def test_a_write_that_fails_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILE_LIMIT, str(tmp_path), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    assert "[1] ['step-1']" in done.stdout, done.stdout + done.stderr


def test_early_stopping_keeps_the_best_weights(tmp_path: Path) -> None:
    losses = iter([3.0, 1.0, 2.0, 2.5, 9.0])
    model = start()
    snapshots = []

    def validate() -> float:
        snapshots.append(trainable_tensors(model))
        return next(losses)

    result, records = run(model, tmp_path, validate=validate, eval_every_steps=1, patience=2)
    assert result.stopped_early
    assert result.num_steps == 4
    assert result.best_step == 2
    assert result.validation_loss == 1.0
    assert [r["eval/loss"] for r in records] == [3.0, 1.0, 2.0, 2.5]
    for name, value in trainable_tensors(model).items():
        assert torch.equal(value, snapshots[1][name])


def test_a_loss_that_is_not_finite_stops_before_the_step() -> None:
    model = start(dropout=0.0)
    before = trainable_tensors(model)
    with pytest.raises(TrainingError, match="not both finite"):
        run(model, None, loss=lambda m, b: SftLoss()(m, b) * math.nan)
    for name, value in trainable_tensors(model).items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1, 1, 1, 1, 1]),
        ("linear", [0.5, 1, 1, 0.75, 0.5, 0.25]),
        ("cosine", [0.5, 1, 1, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5]),
    ],
)
def test_schedules_by_hand(schedule: Any, expected: list[float]) -> None:
    factors = [
        compute_lr_factor(step, num_steps=6, warmup_steps=2, schedule=schedule) for step in range(6)
    ]
    assert factors == pytest.approx(expected)


def test_warmup_stable_decay_by_hand() -> None:
    factors = [
        compute_lr_factor(step, num_steps=20, warmup_steps=0, schedule="wsd") for step in range(20)
    ]
    assert factors == pytest.approx([1.0] * 13 + [step / 8 for step in range(7, 0, -1)])


def test_weight_decay_spares_vectors() -> None:
    model = make_model()
    (optimizer,) = build_optimizers(model, learning_rate=1e-3, weight_decay=0.1)
    decayed = {id(p) for g in optimizer.param_groups if g["weight_decay"] for p in g["params"]}
    for name, parameter in model.named_parameters():
        assert (id(parameter) in decayed) == (parameter.ndim == 2), name
