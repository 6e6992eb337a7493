"""Runs every trainer on the same workloads in turn and says how many times faster ours is.

`python -m benchmarks peers` measures all; `--only trl litgpt:padded` and `--workload lora-fp32`
choose. Every run is a process of its own on one thread, the rounds go through all trainers in turn
(A B C A B C), and the unit is real tokens per CPU-second, so that other work on the machine
weighs on all alike. What could not be built or run is in the results with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.rates import compute_needed_flops, find_best_rate
from benchmarks.report import find_commit, load_results, render_tables, save_results, write_table
from benchmarks.trainers import HERE, TRAINERS, BuildError, Trainer, find_python
from benchmarks.workloads import WORKLOADS, Shape

MARK = "BENCHMARK-RESULT "
TIMEOUT_S = 1200
OURS = "assay"
LOSS_TOLERANCE = {"fp32": 1e-4, "bf16": 5e-3}
"""Largest relative difference of any step's loss; packed trainers, whose steps hold other
samples, are held to it by a run that learns nothing, over all tokens."""
MEDIANS = (
    *("tokens_per_cpu_s", "tokens_per_s", "cpu_s", "peak_rss_mb"),
    *("time_to_first_step_s", "time_to_first_step_cpu_s"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks peers", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME[:SETTING]", default=[])
    parser.add_argument(
        "--workload", nargs="+", choices=WORKLOADS, default=[w for w in WORKLOADS if w != "toy"]
    )
    parser.add_argument("--repeats", type=int, default=2, help="rounds (default: 2)")
    options = parser.parse_args(arguments)
    results = load_results()
    for name in options.workload:
        print(f"\n{name}", flush=True)
        measured = compare(name, only=options.only, repeats=options.repeats)
        before = results["workloads"].get(name, {"trainers": {}})
        measured["trainers"] = before["trainers"] | measured["trainers"]
        results["workloads"][name] = measured
        if name == "toy":
            print(json.dumps(measured["trainers"], indent=1))
            continue
        path = save_results(results)
        write_table(results, path)
        print(render_tables({**results, "workloads": {name: measured}}, path))
        print(f"written to {path.relative_to(HERE.parent)} and docs/performance.md")


def compare(name: str, *, only: Sequence[str], repeats: int) -> dict[str, Any]:
    """The results of one workload: of every trainer its runs, their medians, and the ratio."""
    spec = json.loads(_python("-m", "benchmarks.prepare", name))
    contestants, failures = _find_contestants(spec, only)
    rates: list[dict[str, float]] = []
    runs: dict[str, list[dict[str, Any]]] = {key: [] for key in contestants}
    own = next(key for key in contestants if key.startswith(f"{OURS}:"))
    stills = [key for key, (trainer, how, _) in contestants.items() if how in trainer.reorders]
    still = spec | {"learning_rate": 1e-12}
    checks = {key: _run(still, *contestants[key]) for key in ([own, *stills] if stills else [])}
    for number in range(repeats):
        rates.append(json.loads(_python("-m", "benchmarks.rates")))
        for key, contestant in contestants.items():
            if key in failures:
                continue
            result = _run(spec, *contestant)
            if "failed" in result:
                failures[key] = result
            else:
                runs[key].append(result)
            _print_line(number, key, result)
    if own in failures:
        raise SystemExit(f"Assay itself did not run: {failures[own]['failed']}")
    ceiling = {p: statistics.median(r[p] for r in rates) for p in rates[0]}
    context = {"spec": spec, "ceiling": ceiling, "needed": compute_needed_flops(spec)}
    ours = runs[own]
    trainers = {
        key: _summarise(found, ours, context, (checks[key], checks[own]) if key in stills else None)
        for key, found in runs.items()
        if key not in failures
    }
    shown = ("method", "precision", "num_rows", "num_steps", "num_tokens", "num_labels")
    return {
        **{key: spec[key] for key in shown},
        "data": Path(spec["data"]).name,
        "gflops_per_cpu_s": ceiling,
        "needed_gflop": context["needed"] / 1e9,
        "layer_weights": Shape(**spec["sizes"]).layer_weights,
        "trainers": trainers | failures,
    }


def _find_contestants(
    spec: dict[str, Any], only: Sequence[str]
) -> tuple[dict[str, tuple[Trainer, str, Path]], dict[str, dict[str, Any]]]:
    """Trainers at their settings, and those whose environment cannot be built, with the reason."""
    found: dict[str, tuple[Trainer, str, Path]] = {}
    failures: dict[str, dict[str, Any]] = {}
    for trainer in TRAINERS:
        for setting in trainer.choose_settings(spec):
            key = _key(trainer, setting)
            if only and trainer.name != OURS and not {trainer.name, key} & set(only):
                continue
            environment = trainer.environment
            if spec["method"] == "qlora" and environment is None:
                environment = "quantised"
            try:
                found[key] = trainer, setting, find_python(environment)
            except BuildError as error:
                failures[key] = {"failed": f"environment {environment}: {error}"}
    return found, failures


def _key(trainer: Trainer, setting: str) -> str:
    return f"{trainer.name}:{setting}"


def _run(spec: dict[str, Any], trainer: Trainer, setting: str, python: Path) -> dict[str, Any]:
    """One process; its result, or ``failed`` with the last of what it said."""
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        path = Path(folder) / "spec.json"
        path.write_text(json.dumps(spec | {"setting": setting, "output": folder}), "utf-8")
        try:
            done = subprocess.run(
                [str(python), str(trainer.script), str(path)],
                capture_output=True,
                text=True,
                check=False,
                cwd=folder,
                env=_environment(folder, trainer),
                timeout=TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"not finished after {TIMEOUT_S} s"}
    for line in done.stdout.splitlines():
        if MARK in line:
            result: dict[str, Any] = json.loads(line.split(MARK, 1)[1])
            return result
    said = (done.stderr or done.stdout).strip().splitlines()
    return {"failed": f"exit {done.returncode}: " + " | ".join(line[:200] for line in said[-2:])}


def _environment(folder: str, trainer: Trainer) -> dict[str, str]:
    one = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HOME": folder}
    quiet = {"CUDA_VISIBLE_DEVICES": "", "WANDB_DISABLED": "true", "OMP_WAIT_POLICY": "PASSIVE"}
    paths = [HERE.parent / "src"] if trainer.environment is None else []
    own = {"PYTHONPATH": os.pathsep.join(map(str, [*paths, HERE.parent]))}
    return os.environ | one | offline | quiet | own


def _python(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=HERE.parent)
    return done.stdout.splitlines()[-1]


def _summarise(
    runs: list[dict[str, Any]],
    ours: list[dict[str, Any]],
    context: dict[str, Any],
    checks: tuple[dict[str, Any], dict[str, Any]] | None,
) -> dict[str, Any]:
    spec = context["spec"]
    medians = {key: statistics.median(run[key] for run in runs) for key in MEDIANS}
    pace = statistics.median(run["tokens_per_cpu_s"] for run in ours)
    memory = statistics.median(run["peak_rss_mb"] for run in ours)
    ceiling, precision = context["ceiling"], spec["precision"]
    share = runs[0]["num_tokens"] / spec["num_tokens"]
    pace_gflops = share * context["needed"] / medians["cpu_s"] / 1e9
    first = runs[0]
    return medians | {
        "ours_is_times_faster": pace / medians["tokens_per_cpu_s"],
        "our_memory_share": memory / medians["peak_rss_mb"],
        "needed_gflops_per_cpu_s": pace_gflops,
        "share_of_matmul_rate": pace_gflops / ceiling[precision],
        "share_of_best_rate": pace_gflops / find_best_rate(ceiling, precision),
        "commit": find_commit(),
        "num_runs": len(runs),
        "num_tokens": first["num_tokens"],
        "losses": first["losses"],
        "grad_norms": first["grad_norms"],
        "agreement": {"failed": "each draws its own first rows"}
        if spec["num_rows"]
        else compare_losses(first, ours[0], checks, spec["precision"]),
        "all_tokens_per_cpu_s": [run["tokens_per_cpu_s"] for run in runs],
        "versions": first["versions"],
        **{key: first[key] for key in ("layer_bytes", "recipe") if key in first},
    }


def compare_losses(
    one: dict[str, Any],
    ours: dict[str, Any],
    checks: tuple[dict[str, Any], dict[str, Any]] | None,
    precision: str,
) -> dict[str, Any]:
    """Whether a trainer did our work: how far its losses are from ours, relatively, at most."""
    if checks is None:
        pairs, kind = list(zip(one["losses"], ours["losses"], strict=False)), "every step"
        same = len(one["losses"]) == len(ours["losses"])
    elif failed := [check["failed"] for check in checks if "failed" in check]:
        return {"compared": "all tokens", "failed": failed[0]}
    else:
        pairs, kind = (
            [(_mean_loss(checks[0]), _mean_loss(checks[1]))],
            "all tokens, nothing learned",
        )
        same = checks[0]["num_tokens"] == checks[1]["num_tokens"]
    difference = max(abs(a - b) / abs(b) for a, b in pairs)
    tolerance = LOSS_TOLERANCE[precision]
    return {
        "compared": kind,
        "difference": difference,
        "tolerance": tolerance,
        "agrees": same and difference <= tolerance,
    }


def _mean_loss(result: dict[str, Any]) -> float:
    """Mean over all labels of a run whose steps report means of their own."""
    labels = result["labels_by_step"]
    totals = [loss * count for loss, count in zip(result["losses"], labels, strict=True)]
    return sum(totals) / sum(labels)


def _print_line(number: int, key: str, result: dict[str, Any]) -> None:
    if "failed" in result:
        print(f"  {number + 1} {key}: failed: {result['failed']}", flush=True)
        return
    numbers = f"{result['tokens_per_cpu_s']:.0f} tokens per CPU-s, {result['peak_rss_mb']:.0f} MB"
    ends = f"loss {result['losses'][0]:.4f} to {result['losses'][-1]:.4f}"
    print(f"  {number + 1} {key}: {numbers}, {ends}", flush=True)
