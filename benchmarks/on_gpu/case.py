"""Runs one trainer on one GPU workload and prints one line: `-m benchmarks.on_gpu.case SPEC.json`.

Two steps warm up, the others are timed, each to the moment the device has finished it. The share of
the matrix rate (MFU) counts what the mathematics needs.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks.on_gpu.meter import Clock, limit_memory, measure_rate
from benchmarks.on_gpu.rows import count_flops, make_rows

MARK = "BENCHMARK-RESULT "
RUNNERS = {
    "assay": "benchmarks.on_gpu.own",
    "transformers_peft": "benchmarks.on_gpu.plain",
    "trl": "benchmarks.on_gpu.trl_run",
    "unsloth": "benchmarks.on_gpu.unsloth_run",
}
"""By trainer, the module whose `run` takes the specification, the rows and the clock.

Each is imported by itself: Unsloth wants to come before what it patches.
"""
PACKAGES = (
    *("torch", "triton", "transformers", "peft", "trl", "unsloth"),
    *("liger-kernel", "bitsandbytes", "flash-attn"),
)


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    device = torch.device(spec["device"])
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no NVIDIA GPU is available to PyTorch")
    if spec["method"] == "qlora" and not find_spec("bitsandbytes"):
        raise SystemExit("bitsandbytes is not installed")
    rate, rows, clock = measure_rate(device), make_rows(spec), Clock(device)
    limit_memory(device, spec.get("limit_bytes"))
    runner = import_module(RUNNERS[spec["trainer"].partition(":")[0]])
    chosen = runner.run(spec, rows, clock)
    print(MARK + json.dumps(summarise(spec, clock, rate, count_flops(spec, rows)) | chosen))
    sys.stdout.flush()
    os._exit(0)  # what a trainer still wants to save is no part of the measurement


def summarise(
    spec: dict[str, Any], clock: Clock, rate: float, needed_flops: float
) -> dict[str, Any]:
    """The figures of one trainer; the pace is that of the median step."""
    seconds = statistics.median(clock.step_seconds)
    return {
        "tokens_per_s": spec["num_tokens"] / seconds,
        "step_s": seconds,
        "all_steps_s": clock.step_seconds,
        "mfu": needed_flops / seconds / rate,
        "matrix_tflops": rate / 1e12,
        **clock.read_peak_mib(),
        "losses": clock.losses,
        "device": torch.cuda.get_device_name() if clock.device.type == "cuda" else "CPU",
        "versions": {name: found for name in PACKAGES if (found := _find_version(name))},
    }


def _find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
