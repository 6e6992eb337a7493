"""Runs one trainer on one GPU workload and prints one line: `-m benchmarks.gpu_case SPEC.json`.

Two steps warm up, the others are timed, each to the moment the device has finished it. The share of
the matrix rate (MFU) counts what the mathematics needs, as `benchmarks.rates` does, and causal
attention besides; recomputation for the sake of memory does not count.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_models import build_model
from benchmarks.rates import compute_needed_flops

MARK = "BENCHMARK-RESULT "
WARM_UP_STEPS = 2
RANK, ALPHA, LEARNING_RATE = 16, 32, 1e-4
TRAINED_SHARE = 0.4


class Clock:
    """When each step ended, on the device, and its loss."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.ends: list[float] = []
        self.losses: list[float] = []

    def tick(self, loss: float) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())
        self.losses.append(loss)


def make_rows(spec: dict[str, Any]) -> list[dict[str, list[int]]]:
    """Chats in the order of the steps; those of a step have `num_tokens` tokens together."""
    rng, rows = random.Random(0), []
    for _ in range(WARM_UP_STEPS + spec["num_steps"]):
        shares = [rng.lognormvariate(0, 0.6) for _ in range(spec["num_sequences"])]
        lengths = [max(8, int(spec["num_tokens"] * s / sum(shares))) for s in shares]
        lengths[lengths.index(max(lengths))] += spec["num_tokens"] - sum(lengths)
        for length in lengths:
            ids = [rng.randrange(4, spec["sizes"]["vocab_size"]) for _ in range(length)]
            num_prompt = round(length * (1 - TRAINED_SHARE))
            rows.append({"input_ids": ids, "labels": [-100] * num_prompt + ids[num_prompt:]})
    return rows


def count_flops(spec: dict[str, Any], rows: list[dict[str, list[int]]]) -> float:
    """FLOPs a step needs: of matrices, and of causal attention, forward and backward."""
    labels = sum(label >= 0 for row in rows for label in row["labels"])
    tokens = sum(len(row["input_ids"]) for row in rows)
    needed = compute_needed_flops(spec | {"num_tokens": tokens, "num_labels": labels})
    width = spec["sizes"]["num_hidden_layers"] * spec["sizes"]["hidden_size"]
    needed += sum(6 * len(row["input_ids"]) ** 2 * width for row in rows)
    return needed / (len(rows) / spec["num_sequences"])


def measure_rate(device: torch.device) -> float:
    """FLOP per second of a square bfloat16 product, the median of ten."""
    size, seconds = (8192 if device.type == "cuda" else 512), []
    a, b = (torch.randn(size, size, device=device).bfloat16() for _ in range(2))
    for _ in range(13):
        start = time.perf_counter()
        _ = a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(seconds[3:])


def run_assay(spec: dict[str, Any], rows: list[dict[str, list[int]]], clock: Clock) -> None:
    """The tuning stage as a recipe runs it, on a model that is already there."""
    from assay.pipeline.method import add_method
    from assay.pipeline.tune import training_mode, tune_steps
    from benchmarks.own import build_job, place_rows

    job = build_job(
        spec["output"],
        base="tiny",
        method={"type": spec["method"]}
        | ({"rank": RANK, "alpha": ALPHA} if spec["method"] != "full" else {}),
        train={
            "max_steps": WARM_UP_STEPS + spec["num_steps"],
            "batch_size": spec["num_sequences"],
            "micro_batch_tokens": spec["num_tokens"],
            "learning_rate": LEARNING_RATE,
            "schedule": "constant",
            "warmup_steps": 0,
            "precision": "mixed" if spec["method"] == "full" else "bf16",
        },
    )
    model = add_method(job, _build(spec))
    model = model if spec["method"] == "full" else model.get_base_model()
    with training_mode(job, model):
        training = place_rows(job, rows, "gpu")
        for record in tune_steps(job, training, model, difference=0.0, resume=False):
            clock.tick(record["train/loss"])
            if len(clock.ends) == WARM_UP_STEPS + spec["num_steps"]:
                break  # the last checkpoint is no part of a step


def run_transformers_peft(
    spec: dict[str, Any], rows: list[dict[str, list[int]]], clock: Clock
) -> None:
    """The plain loop: padded to the longest of the step, checkpointing on, fused AdamW."""
    device = torch.device(spec["device"])
    model = _add_peft(spec, _build(spec)).train()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=LEARNING_RATE, fused=True)
    for start in range(0, len(rows), spec["num_sequences"]):
        batch = _pad(rows[start : start + spec["num_sequences"]], device)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = model(**batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.tick(float(loss.detach()))


def run_trl(spec: dict[str, Any], rows: list[dict[str, list[int]]], clock: Clock) -> None:
    """TRL: ``default``; ``best`` is padding-free without checkpointing where that fits (4k)."""
    from trl import SFTTrainer

    setting = spec["trainer"].partition(":")[2]
    if setting == "best-liger" and not find_spec("liger_kernel"):
        raise SystemExit("liger-kernel is not installed")
    trainer = SFTTrainer(
        _add_peft(spec, _build(spec)),
        args=_trl_settings(spec, setting),
        train_dataset=_as_dataset(rows),
        processing_class=_tokenizer(),
        callbacks=[_clock_callback(clock)],
    )
    trainer.train()


def run_unsloth(spec: dict[str, Any], rows: list[dict[str, list[int]]], clock: Clock) -> None:
    """Unsloth's patched model and trainer; it loads from a folder alone, so one is written."""
    if not find_spec("unsloth"):
        raise SystemExit("unsloth is not installed")
    import unsloth
    from trl import SFTTrainer

    folder = Path(spec["output"]) / "model"
    plain = spec | {"method": "full" if spec["method"] == "full" else "lora"}
    _build(plain).to(torch.bfloat16).save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    model, tokenizer = unsloth.FastLanguageModel.from_pretrained(
        str(folder),
        max_seq_length=spec["num_tokens"],
        dtype=torch.bfloat16,
        load_in_4bit=spec["method"] == "qlora",
        full_finetuning=spec["method"] == "full",
    )
    if spec["method"] != "full":
        model = unsloth.FastLanguageModel.get_peft_model(
            model,
            r=RANK,
            lora_alpha=ALPHA,
            lora_dropout=0,
            bias="none",
            target_modules=_TARGETS,
            use_gradient_checkpointing="unsloth" if spec["num_tokens"] > 4096 else False,
        )
    trainer = SFTTrainer(
        model,
        args=_trl_settings(spec, "best"),
        train_dataset=_as_dataset(rows),
        processing_class=tokenizer,
        callbacks=[_clock_callback(clock)],
    )
    trainer.train()


_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
RUNNERS = {
    "assay": run_assay,
    "transformers_peft": run_transformers_peft,
    "trl": run_trl,
    "unsloth": run_unsloth,
}


def _build(spec: dict[str, Any]) -> Any:
    """The model in the format its weights are trained or frozen in."""
    return build_model(
        spec["sizes"],
        dtype=torch.float32 if spec["method"] == "full" else torch.bfloat16,
        device=torch.device(spec["device"]),
        quantised=spec["method"] == "qlora",
    )


def _add_peft(spec: dict[str, Any], model: Any) -> Any:
    if spec["method"] == "full":
        return model
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=_TARGETS, task_type="CAUSAL_LM", lora_dropout=0.0
    )
    model.enable_input_require_grads()
    return get_peft_model(model, config)


def _trl_settings(spec: dict[str, Any], setting: str) -> Any:
    from trl import SFTConfig

    options: dict[str, Any] = {
        "output_dir": spec["output"],
        "max_steps": WARM_UP_STEPS + spec["num_steps"],
        "per_device_train_batch_size": spec["num_sequences"],
        "learning_rate": LEARNING_RATE,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 1.0,
        "max_length": None,
        "train_sampling_strategy": "sequential",
        "optim": "adamw_torch_fused",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "bf16": True,
        "use_cpu": spec["device"] == "cpu",
    }
    if setting != "default":
        options |= {"padding_free": True, "gradient_checkpointing": spec["num_tokens"] > 4096}
        options["use_liger_kernel"] = setting == "best-liger"
    return SFTConfig(**options)


def _clock_callback(clock: Clock) -> Any:
    from transformers import TrainerCallback

    class Ticks(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            clock.tick(float("nan"))

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kw: Any) -> None:
            if "loss" in (logs or {}):
                clock.losses[state.global_step - 1] = float(logs["loss"])

    return Ticks()


def _as_dataset(rows: list[dict[str, list[int]]]) -> Any:
    from datasets import Dataset

    return Dataset.from_list(rows)


def _tokenizer() -> Any:
    """Trainers want one, though every row is tokens already: that of the embedded base."""
    from transformers import AutoTokenizer

    # By its place, since a peer's environment need not have what Assay imports.
    return AutoTokenizer.from_pretrained(Path(__file__).parents[1] / "src/assay/models/tiny")


def _pad(rows: list[dict[str, list[int]]], device: torch.device) -> dict[str, torch.Tensor]:
    width = max(len(row["input_ids"]) for row in rows)

    def pad(key: str, filler: int) -> torch.Tensor:
        padded = [row[key] + [filler] * (width - len(row[key])) for row in rows]
        return torch.tensor(padded, device=device)

    lengths = torch.tensor([len(row["input_ids"]) for row in rows], device=device)
    mask = (torch.arange(width, device=device)[None] < lengths[:, None]).long()
    return {"input_ids": pad("input_ids", 0), "labels": pad("labels", -100), "attention_mask": mask}


def _peak_mib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    device = torch.device(spec["device"])
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no NVIDIA GPU is available to PyTorch")
    if spec["method"] == "qlora" and not find_spec("bitsandbytes"):
        raise SystemExit("bitsandbytes is not installed")
    rate, rows, clock = measure_rate(device), make_rows(spec), Clock(device)
    RUNNERS[spec["trainer"].partition(":")[0]](spec, rows, clock)
    times = [b - a for a, b in zip(clock.ends[1:], clock.ends[2:], strict=False)]
    seconds = statistics.median(times[WARM_UP_STEPS - 1 - 1 :])
    result = {
        "tokens_per_s": spec["num_tokens"] / seconds,
        "step_s": seconds,
        "all_steps_s": times,
        "mfu": count_flops(spec, rows) / seconds / rate,
        "matrix_tflops": rate / 1e12,
        "peak_mib": _peak_mib(device),
        "losses": clock.losses,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
    }
    print(MARK + json.dumps(result), flush=True)
    os._exit(0)  # what a trainer still wants to save is no part of the measurement


if __name__ == "__main__":
    main()
