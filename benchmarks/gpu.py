"""Measures training on one NVIDIA GPU, against other trainers: `python -m benchmarks gpu [NAME …]`.

Each workload is one command of under ten minutes. Models have the shapes of well-known ones and
random weights, made on the device layer by layer and quantised as they are made, so that nothing is
downloaded and 70 billion weights never stand there whole. Every trainer runs in a process of its
own, of the same interpreter; one that is not installed, or does not fit, is named with the reason.
A workload with `limit_bytes` runs as if the device had no more. `--toy` runs everything at toy size
on a CPU.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import HERE, save_gpu_results
from benchmarks.workloads import SHAPES, Shape

MARK = "BENCHMARK-RESULT "
ALLOCATOR = {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}
"""For every trainer alike: without it, the gaps that padding leaves look like too little memory."""
PROGRESS = re.compile(r"\d+%\|.*(it/s|s/it)")
"""A progress bar, which may be the last that a failed trainer has written."""
BUDGET_S = 580
"""Time for all trainers of a workload together; ours is first."""
GPU_SHAPES = {
    "1b": Shape(128_256, 2048, 16, 32, 8, 8192),
    "8b": Shape(128_256, 4096, 32, 32, 8, 14336),
    "70b": Shape(128_256, 8192, 80, 64, 8, 28672),
}
PEERS = ("transformers_peft", "trl:default", "trl:best", "trl:best-liger", "unsloth")


@dataclass(frozen=True)
class GpuWorkload:
    """Steps of `num_tokens` real tokens each, in `num_sequences` sequences, 40 % of them trained.

    `num_steps` are timed after two that are not.
    """

    shape: str
    method: str
    num_tokens: int
    num_sequences: int
    num_steps: int
    trainers: tuple[str, ...]
    limit_bytes: int | None = None


GPU_WORKLOADS = {
    "lora-8b-4k": GpuWorkload("8b", "lora", 4096, 8, 10, ("assay", *PEERS)),
    "lora-8b-16k": GpuWorkload("8b", "lora", 16_384, 8, 5, ("assay", *PEERS)),
    "qlora-8b-4k": GpuWorkload("8b", "qlora", 4096, 8, 8, ("assay", *PEERS)),
    "qlora-70b-2k": GpuWorkload("70b", "qlora", 2048, 4, 3, ("assay",), 48 * 10**9),
    "qlora-70b-4k": GpuWorkload("70b", "qlora", 4096, 8, 3, ("assay", "trl:best-liger")),
    "full-1b-4k": GpuWorkload("1b", "full", 4096, 8, 10, ("assay", *PEERS)),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description=__doc__)
    parser.add_argument("workload", nargs="*", choices=[[], *GPU_WORKLOADS], metavar="NAME")
    parser.add_argument("--only", nargs="+", metavar="TRAINER", default=[])
    parser.add_argument("--python", default=sys.executable, help="interpreter of the peers")
    parser.add_argument("--toy", action="store_true", help="toy sizes, on a CPU")
    options = parser.parse_args(arguments)
    for name in options.workload or GPU_WORKLOADS:
        print(f"\n{name}", flush=True)
        measured = measure(name, only=options.only, toy=options.toy, python=options.python)
        if not options.toy:
            save_gpu_results(name, measured)


def measure(
    name: str, *, only: Sequence[str] = (), toy: bool = False, python: str = sys.executable
) -> dict[str, Any]:
    """Every trainer of a workload, in turn, and how many times faster ours is.

    `python` is the peers' interpreter, for those that do not install beside Assay.
    """
    workload = GPU_WORKLOADS[name]
    spec = asdict(workload) | {"sizes": asdict(GPU_SHAPES[workload.shape]), "device": "cuda"}
    if toy:
        small = {"num_tokens": 256, "num_sequences": 4, "num_steps": 2, "device": "cpu"}
        spec |= small | {"sizes": asdict(SHAPES["toy"])}
    results: dict[str, Any] = {}
    deadline = time.monotonic() + BUDGET_S
    for trainer in workload.trainers:
        if only and trainer != "assay" and not {trainer, trainer.split(":")[0]} & set(only):
            continue
        own = sys.executable if trainer == "assay" else python
        results[trainer] = result = _run(
            spec | {"trainer": trainer}, own, deadline - time.monotonic()
        )
        ours = results.get("assay", {}).get("tokens_per_s")
        if ours and "tokens_per_s" in result:
            result["ours_is_times_faster"] = ours / result["tokens_per_s"]
            result["our_memory_share"] = results["assay"]["peak_mib"] / result["peak_mib"]
            result["losses_differ_by"] = compare_losses(results["assay"], result)
        print(f"  {trainer}: {_describe(result)}", flush=True)
    return {**{key: spec[key] for key in spec if key != "trainers"}, "trainers": results}


def compare_losses(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """The largest relative difference of a step's loss; not finite where one was not told."""
    pairs = zip(ours["losses"], theirs["losses"], strict=True)
    gaps = [abs(a - b) / abs(a) for a, b in pairs]
    return max(gaps) if all(map(math.isfinite, gaps)) else math.nan


def _run(spec: dict[str, Any], python: str, timeout_s: float) -> dict[str, Any]:
    if timeout_s <= 0:
        return {"failed": f"no time left of {BUDGET_S} s"}
    with tempfile.TemporaryDirectory(prefix="assay-gpu-") as folder:
        path = Path(folder) / "spec.json"
        path.write_text(json.dumps(spec | {"output": folder}), "utf-8")
        command = [python, "-m", "benchmarks.on_gpu.case", str(path)]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                cwd=HERE.parent,
                timeout=timeout_s,
                env=os.environ | ALLOCATOR,
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"not finished after {timeout_s:.0f} s"}
    for line in done.stdout.splitlines():
        if MARK in line:
            result: dict[str, Any] = json.loads(line.split(MARK, 1)[1])
            return result
    said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    said = [line for line in said if not PROGRESS.search(line)]
    return {"failed": f"exit {done.returncode}: " + " | ".join(line[:200] for line in said[-2:])}


def _describe(result: dict[str, Any]) -> str:
    if "failed" in result:
        return f"not measured: {result['failed']}"
    gap = result.get("losses_differ_by", math.nan)
    return (
        f"{result['tokens_per_s']:,.0f} tokens per second, {result['mfu']:.0%} of the matrix rate,"
        f" {result['peak_mib']:,.0f} MiB, losses differ by {gap:.0e}"
    )


if __name__ == "__main__":
    main()
