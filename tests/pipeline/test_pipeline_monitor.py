"""The drift monitor: how often it reads, that a tuning writes what it read, and ends by it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from safetensors.torch import load_file

from assay.config import load
from assay.evaluate.probes.gauges import Gauge
from assay.generate.local import LocalEngine
from assay.models.base import load_model
from assay.pipeline.job import Job
from assay.pipeline.monitor import FORWARD_SHARE, MAX_SHARE, MonitorSettings, choose_every_steps
from assay.pipeline.progress import PlainProgress
from assay.pipeline.run import begin_run, opened_run
from assay.pipeline.tune import Training
from assay.pipeline.tune_run import run_tuning
from assay.pipeline.tuned import tune_or_reload
from assay.train.watch import Limit

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def choose(num_steps: int, *, gauge_tokens: int, row_tokens: int = 50, batch_size: int = 20) -> int:
    rows: Any = SimpleNamespace(
        sequences=[SimpleNamespace(num_tokens=row_tokens) for _ in range(7)]
    )
    job: Any = SimpleNamespace(recipe=SimpleNamespace(train=SimpleNamespace(batch_size=batch_size)))
    gauges = {
        "a": Gauge(lambda: 0.0, gauge_tokens // 2),
        "b": Gauge(lambda: 0.0, gauge_tokens // 2),
    }
    return choose_every_steps(job, rows, gauges, num_steps=num_steps)


@pytest.mark.parametrize("num_steps", [40, 200, 1000, 20_000])
@pytest.mark.parametrize("gauge_tokens", [200, 3000, 50_000])
def test_readings_cost_their_share_at_most(num_steps: int, gauge_tokens: int) -> None:
    every = choose(num_steps, gauge_tokens=gauge_tokens)
    num_readings = 2 + num_steps / every
    cost = num_readings * FORWARD_SHARE * gauge_tokens
    budget = MAX_SHARE * num_steps * 1000
    assert 10 <= every <= num_steps
    assert cost <= budget or every == num_steps


def test_a_long_training_is_read_more_often_in_all() -> None:
    assert choose(10_000, gauge_tokens=3000) < 100
    assert choose(40, gauge_tokens=50_000) == 40


def tune(recipe: Path, monitor: MonitorSettings | None, *overrides: str) -> tuple[Job, Training]:
    loaded = load(recipe, list(overrides))
    run = begin_run(loaded)
    with opened_run(loaded, run, PlainProgress(io.StringIO()), verb="tune") as (job, prepared):
        job = replace(job, monitor=monitor)
        engine = LocalEngine(load_model(job.base), job.tokenizer)
        return job, tune_or_reload(job, prepared, engine, resume=False)


def read_losses(job: Job) -> list[float]:
    return [line["train/loss"] for line in job.run.read_metrics()]


@pytest.mark.parametrize("method", ["{type: lora, rank: 4, dropout: 0.1}", "full"])
def test_a_tuning_writes_its_drift_and_is_the_same(recipe: Path, method: str) -> None:
    plain, _ = tune(recipe, None, f"method={method}", "name=plain")
    watched, training = tune(recipe, MonitorSettings(every_steps=3), f"method={method}")
    assert read_losses(watched) == read_losses(plain)
    assert training.drifted == ""
    read = {
        line["step"]: {k: v for k, v in line.items() if k.startswith("drift/")}
        for line in watched.run.read_metrics()
    }
    assert [step for step, found in read.items() if found] == [3, 6, 8]
    assert {"drift/refusal_margin", "drift/persona", "drift/kl"} <= set(read[8])
    assert 0 < read[3]["drift/kl"] < read[8]["drift/kl"]


def test_drift_ends_a_tuning_with_the_last_clean_weights(recipe: Path) -> None:
    everything = MonitorSettings(3, stop_on_drift=True, limits={"kl": Limit(highest=0.0)})
    job, training = tune(recipe, everything)
    assert (training.num_steps, training.best_step) == (3, 0)
    assert training.stopped_early and training.drifted.startswith("kl ")
    saved = load_file(job.run.adapter / "adapter_model.safetensors")
    assert all(not tensor.any() for name, tensor in saved.items() if "lora_B" in name)


def test_drift_is_read_and_ends_training_on_two_processes_as_on_one(recipe: Path) -> None:
    wild = ["train.learning_rate=0.5", "defend={watch_every_steps: 3, stop_on_drift: true}"]
    alone, both = (run_tuning(recipe, [*wild, f"launch.processes={number}"]) for number in (1, 2))
    read = []
    for outcome in (alone, both):
        assert outcome.training.drifted
        assert (outcome.training.num_steps, outcome.training.best_step) == (3, 0)
        saved = load_file(outcome.run.adapter / "adapter_model.safetensors")
        assert all(not tensor.any() for name, tensor in saved.items() if "lora_B" in name)
        lines = [line for line in outcome.run.read_metrics() if "drift/kl" in line]
        assert [line["step"] for line in lines] == [3]
        read.append({key: value for key, value in lines[0].items() if key.startswith("drift/")})
    assert read[0].keys() == read[1].keys()
    assert read[1]["drift/kl"] == pytest.approx(read[0]["drift/kl"], rel=0.2)
