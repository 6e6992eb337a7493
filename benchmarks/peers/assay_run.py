"""Runs Assay's tuning stage on a recipe, as `assay run` does, on tokens that are already there.

``default`` is what a recipe gets that says no more than the workload does. ``from-text`` begins
with a file of text: it is read, checked, tokenised and its masks are reported, as in every run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import assay  # noqa: F401  before PyTorch, which reads limits that it sets while it is loaded

# isort: split
import peft  # noqa: F401  imported late by Assay, and no part of the time to the first step
import torch
from benchmarks.own import build_job, place_rows
from benchmarks.workloads import write_text
from meter import Meter, read_rows, read_spec
from safetensors.torch import load_file
from transformers import LlamaForCausalLM  # noqa: F401  the same

from assay.models.base import load_model
from assay.pipeline.batches import build_rows
from assay.pipeline.job import Job
from assay.pipeline.method import add_method
from assay.pipeline.precision import choose_precision
from assay.pipeline.prepare import prepare
from assay.pipeline.tokens import select_sequences
from assay.pipeline.tune import self_test, training_mode, tune_steps
from assay.train.fit import drain


def build_run(spec: dict[str, Any]) -> Job:
    """A run of a recipe that says what the workload says; all else is as recipes have it."""
    adapter = {} if spec["method"] == "full" else {"rank": spec["rank"], "alpha": spec["alpha"]}
    train = {
        "max_steps": spec["num_steps"],
        "batch_size": spec["batch_size"],
        "learning_rate": spec["learning_rate"],
        "schedule": "constant",
        "warmup_steps": 0,
        "max_grad_norm": spec["max_grad_norm"],
        "precision": spec["precision"],
    }
    method = {"type": spec["method"], **adapter}
    text = None
    if spec["setting"] == "from-text":
        text = Path(spec["output"]) / "text.jsonl"
        write_text(read_rows(spec), text, "prompt", "completion")
    return build_job(spec["output"], base=spec["model"], method=method, train=train, rows=text)


def load_subject(job: Job, spec: dict[str, Any]) -> Any:
    """The causal model with the adapter that every trainer starts from, or wholly trainable."""
    model = load_model(job.base, dtype=choose_precision(job.recipe).weights)
    model = add_method(job, model)
    if spec["method"] == "full":
        return model
    start = load_file(Path(spec["adapter"]) / "adapter_model.safetensors")
    names = {name.replace(".weight", ".default.weight"): t for name, t in start.items()}
    loaded = model.load_state_dict(names, strict=False)
    assert not loaded.unexpected_keys, loaded.unexpected_keys
    return model.get_base_model()


def main() -> None:
    spec = read_spec()
    job = build_run(spec)
    meter = Meter(spec, watch_steps=False)
    if spec["setting"] == "from-text":
        rows = build_rows(job, select_sequences(prepare(job)))
    else:
        rows = place_rows(job, read_rows(spec), spec["data"])
    model = load_subject(job, spec)
    difference = self_test(job, rows, model)
    torch.set_num_threads(1)

    def report(record: dict[str, Any]) -> None:
        meter.stepped(record["train/loss"], record["train/grad_norm"])
        job.run.append_metrics(record)

    with training_mode(job, model):
        meter.start()
        drain(tune_steps(job, rows, model, difference=difference, resume=False), report)
    more = {"layer_bytes": _count_layer_bytes(model), "recipe": job.recipe.train.model_dump()}
    meter.print_result("assay", "transformers", "peft", "bitsandbytes", **more)


def _count_layer_bytes(model: Any) -> int:
    """Bytes of the layers' frozen matrices, with the scales of those that are quantised."""
    total = 0
    for name, parameter in model.named_parameters():
        if "layers." in name and "lora_" not in name and "norm" not in name:
            state = getattr(parameter, "quant_state", None)
            scales = state.as_dict(packed=True).values() if state is not None else ()
            total += sum(t.numel() * t.element_size() for t in (parameter, *scales))
    return total


if __name__ == "__main__":
    main()
