"""The watch over a training: read when due, harmless to what it watches, and able to end it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import make_model, make_rows

from assay.data.pack import build_batch
from assay.models.adapters import add_lora
from assay.models.forward import packed_mode
from assay.train.checkpoint import Checkpoints, trainable_tensors
from assay.train.fit import FitResult, FitSettings, fit
from assay.train.optimizer import build_optimizers
from assay.train.sft import SftLoss, compute_mean_loss
from assay.train.watch import Limit, Watch

ROWS = make_rows(12)
NUM_STEPS = 8


def get_batches(step: int) -> Any:
    rows = [ROWS[(2 * step + i) % len(ROWS)] for i in range(2)]
    return [build_batch([ids for ids, _ in rows], [mask for _, mask in rows])]


def start() -> Any:
    torch.manual_seed(0)
    return add_lora(make_model(), rank=4, alpha=8.0, dropout=0.2).get_base_model()


class Counter:
    """A gauge that gives the number of its readings: 1, 2, …"""

    def __init__(self) -> None:
        self.num_read = 0

    def __call__(self) -> dict[str, float]:
        self.num_read += 1
        return {"turn": float(self.num_read)}


def run(
    model: Any, folder: Path | None, watch: Watch | None, **changes: Any
) -> tuple[FitResult, list[dict[str, Any]], list[str]]:
    records: list[dict[str, Any]] = []
    notes: list[str] = []
    resume, validate = changes.pop("resume", False), changes.pop("validate", None)
    torch.manual_seed(5)
    with packed_mode(model):
        result = fit_watched(model, folder, watch, records, notes, resume, validate, changes)
    return result, records, notes


def fit_watched(
    model: Any,
    folder: Path | None,
    watch: Watch | None,
    records: list[dict[str, Any]],
    notes: list[str],
    resume: bool,
    validate: Callable[[], float] | None,
    changes: dict[str, Any],
) -> FitResult:
    return fit(
        model,
        get_batches,
        SftLoss(),
        build_optimizers(model, learning_rate=1e-2),
        FitSettings(**{"num_steps": NUM_STEPS, **changes}),
        validate=validate,
        report=lambda r: records.append({k: v for k, v in r.items() if k != "tokens_per_s"}),
        checkpoints=Checkpoints(folder) if folder else None,
        resume=resume,
        note=notes.append,
        watch=watch,
    )


def weights_after(num_steps: int) -> dict[str, torch.Tensor]:
    model = start()
    run(model, None, None, num_steps=num_steps, schedule="constant")
    return trainable_tensors(model)


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)


@pytest.mark.parametrize(
    ("limit", "value", "left"),
    [
        (Limit(highest=1), 1.0, False),
        (Limit(highest=1), 1.1, True),
        (Limit(lowest=-2), -2.5, True),
        (Limit(lowest=-2, highest=3), 0.0, False),
        (Limit(highest=1), math.nan, True),
        (Limit(), 1e9, False),
    ],
)
def test_a_limit_is_left_outside_of_it_and_by_no_number(
    limit: Limit, value: float, left: bool
) -> None:
    assert limit.is_left_by(value) is left


def test_it_is_read_every_few_steps_and_after_the_last(tmp_path: Path) -> None:
    _, records, notes = run(start(), None, Watch(Counter(), 3))
    assert {r["step"]: r["drift/turn"] for r in records if "drift/turn" in r} == {3: 1, 6: 2, 8: 3}
    assert notes == []


def test_watching_changes_nothing_of_the_training() -> None:
    rows = [build_batch([ids for ids, _ in ROWS], [mask for _, mask in ROWS])]
    plain, watched = start(), start()
    _, before, _ = run(plain, None, None)
    watch = Watch(lambda: {"loss": compute_mean_loss(watched, rows)}, 1)
    _, after, _ = run(watched, None, watch)
    losses = [record.pop("drift/loss") for record in after]
    assert after == before
    assert len(set(losses)) == NUM_STEPS
    assert_same(trainable_tensors(watched), trainable_tensors(plain))


def test_drift_is_told_and_does_not_end_the_training_unless_asked(tmp_path: Path) -> None:
    watch = Watch(Counter(), 2, {"turn": Limit(highest=1)})
    result, records, notes = run(start(), tmp_path, watch)
    assert result.num_steps == NUM_STEPS and not result.stopped_early and result.drifted == ""
    assert notes[0] == "drift at step 4: turn 2"
    assert len(records) == NUM_STEPS


def test_the_last_clean_weights_are_kept(tmp_path: Path) -> None:
    model = start()
    watch = Watch(Counter(), 2, {"turn": Limit(highest=2)}, stops=True)
    result, _, notes = run(model, tmp_path, watch, schedule="constant")
    assert (result.num_steps, result.best_step) == (6, 4)
    assert result.stopped_early and result.drifted == "turn 3"
    assert notes == ["drift at step 6: turn 3; training ends here"]
    assert_same(trainable_tensors(model), weights_after(4))
    again = start()
    resumed, more, _ = run(again, tmp_path, watch, schedule="constant", resume=True)
    assert (resumed.num_steps, resumed.best_step, more) == (6, 4, [])
    assert_same(trainable_tensors(again), trainable_tensors(model))


def test_where_the_first_reading_has_drifted_nothing_is_trained(tmp_path: Path) -> None:
    model = start()
    before = trainable_tensors(model)
    watch = Watch(Counter(), 2, {"turn": Limit(highest=0)}, stops=True)
    result, _, _ = run(model, tmp_path, watch)
    assert (result.num_steps, result.best_step) == (2, 0)
    assert_same(trainable_tensors(model), before)


@pytest.mark.parametrize(("best_at", "kept"), [(2, 2), (6, 4)])
def test_the_best_evaluation_counts_until_the_last_clean_reading(
    tmp_path: Path, best_at: int, kept: int
) -> None:
    model = start()
    steps = iter(range(2, NUM_STEPS + 1, 2))
    watch = Watch(Counter(), 2, {"turn": Limit(highest=2)}, stops=True)
    result, _, _ = run(
        model,
        tmp_path,
        watch,
        schedule="constant",
        eval_every_steps=2,
        validate=lambda: abs(next(steps) - best_at) + 1.0,
    )
    assert result.best_step == kept
    assert_same(trainable_tensors(model), weights_after(kept))
