"""Runs Assay's tuning stage on a recipe, as `assay run` does, on tokens that are already there.

``default`` is what a recipe gets that says no more than the workload does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peft  # noqa: F401  imported late by Assay, and no part of the time to the first step
import torch
from meter import Meter, read_rows, read_spec
from safetensors.torch import load_file
from transformers import LlamaForCausalLM  # noqa: F401  the same

from assay.data import TokenSequence
from assay.data.pack import plan_epoch
from assay.models.base import load_model
from assay.models.selftest import check_isolation
from assay.pipeline.batches import TrainingRows
from assay.pipeline.check import load_checked
from assay.pipeline.job import Job
from assay.pipeline.method import add_method
from assay.pipeline.precision import choose_precision
from assay.pipeline.progress import PlainProgress
from assay.pipeline.subject import find_recipe_base
from assay.pipeline.tune import SELF_TEST_SEQUENCES, training_mode, tune_steps
from assay.runs import RunFolder
from assay.train.fit import drain


def build_job(spec: dict[str, Any]) -> Job:
    """A run of a recipe that says what the workload says; all else is as recipes have it."""
    folder = Path(spec["output"])
    # Training reads the tokens; the recipe must name some rows all the same.
    (folder / "rows.jsonl").write_text('{"prompt": "w4", "completion": "w5"}\n' * 8, "utf-8")
    method: dict[str, Any] = {"type": spec["method"]}
    if spec["method"] != "full":
        method |= {"rank": spec["rank"], "alpha": spec["alpha"]}
    recipe = {
        "base": spec["model"],
        "data": {"train": "rows.jsonl"},
        "method": method,
        "train": {
            "max_steps": spec["num_steps"],
            "batch_size": spec["batch_size"],
            "learning_rate": spec["learning_rate"],
            "schedule": "constant",
            "warmup_steps": 0,
            "max_grad_norm": spec["max_grad_norm"],
            "precision": spec["precision"],
        },
        "output": str(folder / "runs"),
    }
    (folder / "recipe.yaml").write_text(json.dumps(recipe), "utf-8")
    loaded = load_checked(folder / "recipe.yaml", ())
    run = RunFolder.create(loaded.recipe.output, "benchmark", json.dumps(recipe))
    base = find_recipe_base(loaded, run)
    return Job(loaded.recipe, loaded.base_dir, run, base, PlainProgress())


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


def read_sequences(job: Job, spec: dict[str, Any]) -> list[TokenSequence]:
    """The rows, placed so that the seed's shuffling gives them in the order of the file."""
    rows = read_rows(spec)
    order = plan_epoch(
        len(rows), batch_size=job.recipe.train.batch_size, seed=job.recipe.seed, epoch=0
    )
    sequences: dict[int, TokenSequence] = {}
    for row, place in zip(rows, (i for step in order for i in step), strict=True):
        sequences[place] = TokenSequence(
            input_ids=row["input_ids"],
            loss_mask=[float(label >= 0) for label in row["labels"]],
            record_id=str(place),
            kind="completion",
            place=f"{spec['data']}:{place}",
        )
    return [sequences[place] for place in range(len(rows))]


def main() -> None:
    spec = read_spec()
    meter = Meter(spec, watch_steps=False)
    job = build_job(spec)
    model, sequences = load_subject(job, spec), read_sequences(job, spec)
    difference = check_isolation(model, [s.input_ids for s in sequences[:SELF_TEST_SEQUENCES]])
    torch.set_num_threads(1)

    def report(record: dict[str, Any]) -> None:
        meter.stepped(record["train/loss"], record["train/grad_norm"])
        job.run.append_metrics(record)

    rows = TrainingRows(sequences, [], [])
    with training_mode(job, model):
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
