"""Results as a file per day and machine, and as the tables of docs/performance.md."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
BEGIN, GPU_BEGIN = "<!-- benchmark: peers -->", "<!-- benchmark: gpu -->"
END = "<!-- benchmark: end -->"
COLUMNS = (
    "trainer and setting",
    "real tokens per CPU-second",
    "ours ÷ it",
    "per second",
    "first step, s",
    "peak memory, MB",
    "needed FLOPs, share of matmul's rate (of the best rate)",
    "loss first → last",
    "gradient norm first → last",
    "same losses",
)


def find_hardware() -> dict[str, Any]:
    cpu = platform.processor() or platform.machine()
    flags: list[str] = []
    info = Path("/proc/cpuinfo")
    if info.is_file():
        text = info.read_text("utf-8")
        if model := re.search(r"model name\s*: (.+)", text):
            cpu = model[1].strip()
        if found := re.search(r"flags\s*: (.+)", text):
            flags = [f for f in found[1].split() if f.startswith(("avx512", "amx", "avx2"))]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gib": round(memory, 1), "flags": flags}


def load_results() -> dict[str, Any]:
    """Today's results on this machine, to be added to, or an empty frame for them."""
    hardware = find_hardware()
    path = _results_path(hardware)
    old: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "hardware": hardware,
        "python": platform.python_version(),
        "commit": find_commit(),
        "workloads": old.get("workloads", {}),
    }


def save_results(results: dict[str, Any]) -> Path:
    path = _results_path(results["hardware"])
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    return path


def save_gpu_results(name: str, measured: dict[str, Any]) -> None:
    """Add one workload of a GPU to today's results on it, and rewrite its table."""
    done = [one for one in measured["trainers"].values() if "device" in one]
    hardware = {"cpu": done[0]["device"] if done else "no GPU", "cores": 1}
    path = _results_path(hardware, cores=False)
    old: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    results = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "hardware": hardware["cpu"],
        "commit": find_commit(),
        "workloads": old.get("workloads", {}) | {name: measured},
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    _write_between(GPU_BEGIN, "## On a GPU", _render_gpu(results, path))


def write_table(results: dict[str, Any], path: Path) -> None:
    """Rewrite what stands between the markers of docs/performance.md; the rest is left alone."""
    _write_between(BEGIN, "## Against other trainers, on a CPU", render_tables(results, path))


def _write_between(begin: str, title: str, text: str) -> None:
    page = PAGE.read_text("utf-8") if PAGE.is_file() else "# Performance\n"
    if begin not in page:
        page = f"{page.rstrip()}\n\n{title}\n\n{begin}\n{END}\n"
    before, rest = page.split(begin, 1)
    after = rest.split(END, 1)[1]
    PAGE.write_text(f"{before}{begin}\n{text}{END}{after}", "utf-8")


def _render_gpu(results: dict[str, Any], path: Path) -> str:
    text = (
        f"\nMeasured {results['date']} on one {results['hardware']}; every figure, with versions:"
        f" `benchmarks/results/{path.name}`.\n\n| workload | trainer | tokens per second | ours"
        " ÷ it | share of the matrix rate | peak memory, MiB | loss first → last | losses differ by"
        " |\n|---|---|---|---|---|---|---|---|\n"
    )
    for name, workload in results["workloads"].items():
        for trainer, one in workload["trainers"].items():
            if "failed" in one:
                text += f"| {name} | {trainer} | not measured: {_reason(one)} ||||||\n"
                continue
            text += (
                f"| {name} | {trainer} | {one['tokens_per_s']:,.0f} |"
                f" {one.get('ours_is_times_faster', math.nan):.2f} | {one['mfu']:.0%} |"
                f" {one['peak_mib']:,.0f} | {one['losses'][0]:.3f} → {one['losses'][-1]:.3f} |"
                f" {one.get('losses_differ_by', math.nan):.0e} |\n"
            )
    return text + "\n"


def render_tables(results: dict[str, Any], path: Path) -> str:
    machine = results["hardware"]
    text = (
        f"\nMeasured {results['date']} on {machine['cpu']}, one thread of {machine['cores']} cores;"
        f" every figure, with versions: `benchmarks/results/{path.name}`.\n"
    )
    for name, workload in results["workloads"].items():
        text += f"\n### {name}\n\n"
        text += _render_start(workload) if workload.get("num_rows") else _render_pace(workload)
    return text + "\n"


def _render_pace(workload: dict[str, Any]) -> str:
    rates, trainers = workload["gflops_per_cpu_s"], workload["trainers"]
    text = (
        f"{workload['num_steps']} steps, {workload['num_tokens']:,} tokens,"
        f" {workload['num_labels']:,} of them trained. Matrix products reach, in GFLOP per"
        f" CPU-second: {', '.join(f'{rate:.0f} {name}' for name, rate in rates.items())}.\n\n"
        f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n"
    )
    for key in sorted(trainers, key=lambda k: -trainers[k].get("tokens_per_cpu_s", 0)):
        text += _render_row(key, trainers[key], ours=_find_pace(trainers))
    for key, one in trainers.items():
        if workload["method"] == "qlora" and "layer_bytes" in one:
            share = one["layer_bytes"] / (2 * workload["layer_weights"])
            text += (
                f"\n{_label(key)}, holds its layers in {share:.1%} of their bytes in bfloat16.\n"
            )
    return text


def _render_start(workload: dict[str, Any]) -> str:
    """From a file of text to the end of the first step: everything a run does before it."""
    text = (
        f"From {workload['num_rows']:,} rows of text to the end of the first step, imports apart.\n"
        "\n| trainer and setting | CPU-seconds | seconds | peak memory, MB |\n|---|---|---|---|\n"
    )
    for key, one in workload["trainers"].items():
        if "failed" in one:
            text += f"| {_label(key)} | not measured: {_reason(one)} |||\n"
            continue
        text += (
            f"| {_label(key)} | {one['time_to_first_step_cpu_s']:.1f} |"
            f" {one['time_to_first_step_s']:.1f} | {one['peak_rss_mb']:,.0f} |\n"
        )
    return text


def _label(key: str) -> str:
    return key.replace("_", " + ").replace(":", ", ")


def _reason(result: dict[str, Any]) -> str:
    return str(result["failed"]).replace("|", "/").replace("\n", " ")[:160]


def _find_pace(trainers: dict[str, Any]) -> float:
    """Tokens per CPU-second of ours in the newest round."""
    return next(float(v["tokens_per_cpu_s"]) for k, v in trainers.items() if k.startswith("assay:"))


def _render_ratio(result: dict[str, Any], ours: float) -> str:
    """How many times faster ours was in the same round; its pace then, if it is another now."""
    ratio = result["ours_is_times_faster"]
    then = ratio * result["tokens_per_cpu_s"]
    return f"{ratio:.2f}" + (f" (ours then {then:.0f})" if abs(then / ours - 1) > 0.05 else "")


def _render_row(key: str, result: dict[str, Any], *, ours: float) -> str:
    label = _label(key)
    if "failed" in result:
        return f"| {label} | not measured: {_reason(result)} |||||||||\n"
    losses, norms = result["losses"], result["grad_norms"]
    agreement = result["agreement"]
    if "failed" in agreement:
        same = "not measured"
    else:
        verdict = "yes" if agreement["agrees"] else "**losses differ**"
        same = f"{verdict}, to {agreement['difference']:.0e} ({agreement['compared']})"
    return (
        f"| {label} | {result['tokens_per_cpu_s']:.0f} | {_render_ratio(result, ours)} |"
        f" {result['tokens_per_s']:.0f} | {result['time_to_first_step_s']:.1f} |"
        f" {result['peak_rss_mb']:,.0f} | {result['share_of_matmul_rate']:.0%}"
        f" ({result['share_of_best_rate']:.0%}) |"
        f" {losses[0]:.4f} → {losses[-1]:.4f} | {norms[0]:.3f} → {norms[-1]:.3f} | {same} |\n"
    )


def _results_path(hardware: dict[str, Any], *, cores: bool = True) -> Path:
    name = f"{hardware['cpu']} {hardware['cores']} cores" if cores else hardware["cpu"]
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())
    return HERE / "results" / f"{datetime.now(UTC):%Y-%m-%d}-{slug.strip('-')}.json"


def find_commit() -> str:
    """The revision that is measured."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE)
    return done.stdout.strip() or "unknown"
