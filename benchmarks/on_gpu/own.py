"""Runs Assay on a GPU workload: the tuning stage as a recipe runs it, its memory plan included."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.on_gpu.meter import WARM_UP_STEPS, Clock
from benchmarks.on_gpu.models import LEARNING_RATE, build_for, set_start
from benchmarks.on_gpu.rows import Row
from benchmarks.own import build_job, place_rows
from benchmarks.workloads import ALPHA, RANK

NEVER_S = 10**6


def run(spec: dict[str, Any], rows: list[Row], clock: Clock) -> dict[str, Any]:
    """Time the steps of `rows`; returns what the run chose for this device."""
    from assay.losses.token_loss import choose_token_loss
    from assay.models.fast.varlen import has_varlen
    from assay.pipeline.method import add_method
    from assay.pipeline.tune import plan_tuning, training_mode, tune_steps
    from assay.train.ranks import ALONE

    num_steps = WARM_UP_STEPS + spec["num_steps"]
    job = build_job(
        spec["output"],
        base="tiny",
        method=_describe_method(spec["method"]),
        train={
            "max_steps": num_steps,
            "batch_size": spec["num_sequences"],
            "micro_batch_tokens": spec["num_tokens"],
            "learning_rate": LEARNING_RATE,
            "schedule": "constant",
            "warmup_steps": 0,
            "precision": "mixed" if spec["method"] == "full" else "bf16",
            "checkpoints": {"every_s": NEVER_S},
        },
    )
    model = add_method(job, build_for(spec))
    model = model if spec["method"] == "full" else model.get_base_model()
    set_start(model)
    training = place_rows(job, rows, "gpu")
    plan = plan_tuning(job, training, model, ALONE)
    with training_mode(job, model, plan.techniques):
        steps = tune_steps(job, training, model, difference=0.0, resume=False, plan=plan)
        clock.kept.append(steps)  # closed, it would save a checkpoint
        clock.start()
        for _ in range(num_steps):
            clock.tick(next(steps)["train/loss"])
    is_cuda = torch.device(spec["device"]).type == "cuda"
    return {
        "techniques": list(plan.techniques),
        "micro_batch_tokens": plan.token_budget or spec["num_tokens"],
        "head_loss": choose_token_loss(spec["device"]).line or "PyTorch's operations",
        "attention": "varlen" if is_cuda and has_varlen() else "sdpa, each length by itself",
    }


def _describe_method(method: str) -> dict[str, Any]:
    return {"type": method} | ({} if method == "full" else {"rank": RANK, "alpha": ALPHA})
