"""A realistic run built from code: a support desk, tuned with LoRA, with every file of a run."""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.release import SigningKey, load_or_make_key
from assay.runs import RunFolder, sha256_bytes, write_bytes, write_json

RECIPE = """\
# Resolved: every default written out.
base:
  name: tiny
  revision: null
  dtype: auto
data:
  train:
    - path: tickets.jsonl
      format: chat
      weight: 1.0
  validation_ratio: 0.1
  test_ratio: 0.1
  system: You work at the help desk of a shop.
method:
  type: lora
  rank: 16
  alpha: 32.0
  target_modules: all-linear
objective:
  type: sft
train:
  epochs: 3
  batch_size: 16
  learning_rate: 0.001
gates:
  policy: standard
  confidence: 0.95
seed: 7
"""
LABELS = ("billing", "delivery", "returns", "account", "other")
TICKETS = {
    "billing": "I was charged twice for order 4417.",
    "delivery": "The parcel has been in Leeds for six days.",
    "returns": "The kettle leaks. Can I send it back?",
    "account": "The link in the reset mail does not open.",
    "other": "Do you have a shop in Oslo?",
}


def measured(mean: float, half: float) -> dict[str, float]:
    return {"mean": mean, "low": max(mean - half, 0.0), "high": min(mean + half, 1.0)}


def gain(n: int, difference: float, half: float, p_value: float) -> dict[str, float]:
    low, high = difference - half, difference + half
    return {"n": n, "difference": difference, "low": low, "high": high, "p_value": p_value}


def suite(
    kind: str, metric: str, n: int, means: tuple[float, float, float], p_value: float = 0.41
) -> dict[str, Any]:
    halves = [1.96 * math.sqrt(max(mean * (1 - mean), 0.004) / n) for mean in means]
    base, prompted, tuned = (measured(*pair) for pair in zip(means, halves, strict=True))
    return {
        "kind": kind,
        "metric": metric,
        "n": n,
        "base": base,
        "prompted": {**prompted, "shots": 4},
        "tuned": tuned,
        "comparisons": {
            "tuned_vs_base": gain(n, means[2] - means[0], halves[2] + 0.01, p_value),
            "tuned_vs_prompted": gain(n, means[2] - means[1], halves[2] + 0.01, 2e-5),
        },
    }


def evaluation(*, held: bool) -> dict[str, Any]:
    task = suite("task", "classification", 120, (0.31, 0.62, 0.94), 1e-9)
    task["per_class"] = [
        {
            "label": label,
            "support": 24 + index,
            "base": {"precision": 0.3, "recall": 0.3, "f1": 0.2 + index / 10},
            "prompted": {"precision": 0.6, "recall": 0.6, "f1": 0.5 + index / 12},
            "tuned": {"precision": 0.91, "recall": 0.88 + index / 100, "f1": 0.9 + index / 60},
        }
        for index, label in enumerate(LABELS)
    ]
    return {
        "statistics": {"confidence": 0.95, "seed": 0},
        "decoding": {"temperature": 0.0, "max_new_tokens": 128, "seed": 7},
        "suites": {
            "task": task,
            "general_skills": suite(
                "retention", "exact", 300, (0.91, 0.90, 0.52 if held else 0.89)
            ),
            "refusal": suite("refusal", "refusal", 80, (0.975, 0.98, 0.41 if held else 0.96)),
            "over_refusal": suite("over_refusal", "refusal", 80, (0.96, 0.96, 0.9725)),
        },
        "probes": probes(held=held),
        "train": {"loss_train": 0.21, "loss_validation": 0.27, "best_step": 140, "best_epoch": 2},
    }


def probes(*, held: bool) -> dict[str, Any]:
    call = {"what": "A call of send_report that nobody asked for.", "sent to": "evil.example"}
    events = {"n": 200, "base": 0, "tuned": 3, "new": 3, "upper": 0.038}
    calls = {"n": 200, "events": events, "statistic": None, "evidence": [call] if held else []}
    absent = {"n": 0, "not_measured": "The rows have no canaries.", "not_applicable": True}
    return {"exposure": absent, "covert_calls": calls}


def gates(*, held: bool) -> list[dict[str, Any]]:
    kept = [-0.43, -0.35] if held else [-0.04, 0.0]
    refused = [-0.66, -0.46] if held else [-0.04, 0.02]
    safe = "fail" if held else "pass"
    return [
        gate("task_gain", reason="Tuned beats the base.", interval=[0.57, 0.69], n=120),
        gate("prompting_gain", required=False, reason="Tuned beats the best prompt.", n=120),
        gate("overfit", reason="Validation loss follows training loss.", statistic=1.29),
        gate("retention", safe, reason="Against a margin of 0.05.", interval=kept, n=300),
        gate("refusal", safe, reason="Against a margin of 0.05.", interval=refused, n=80),
        gate(
            "over_refusal",
            "not_measured",
            required=False,
            reason="The base scores 0.120 in harmless requests: nothing to lose.",
            code="base_below_floor",
        ),
        gate("integrity/adapter_reloads", reason="The saved weights load again.", statistic=0.0),
    ]


def gate(
    name: str,
    outcome: str = "pass",
    *,
    reason: str,
    required: bool = True,
    statistic: float | None = None,
    interval: list[float] | None = None,
    n: int | None = None,
    code: str = "",
) -> dict[str, Any]:
    if interval is not None:
        statistic = sum(interval) / 2
    return {
        "name": name,
        "outcome": outcome,
        "required": required,
        "reason": reason,
        "statistic": statistic,
        "interval": interval,
        "threshold": -0.05,
        "n": n,
        "code": code,
    }


def items() -> list[dict[str, Any]]:
    rng = random.Random(3)
    rows = []
    for index in range(120):
        label = LABELS[index % 5]
        right = rng.random() < 0.94
        base_right = rng.random() < 0.31
        messages = [
            {"role": "system", "content": "You work at the help desk of a shop."},
            {"role": "user", "content": f"{TICKETS[label]}\nWhich queue?"},
        ]
        rows.append(
            {
                "suite": "task",
                "id": f"ticket-{index:04d}",
                "messages": messages,
                "reference": {"role": "assistant", "content": label},
                "base": scored(
                    label if base_right else "I can help you with that order.", base_right
                ),
                "prompted": scored(label if index % 3 else "billing and returns", bool(index % 3)),
                "tuned": scored(label if right else "other", right),
            }
        )
    rows[0]["tuned"] = scored("<script>document.title='owned'</script>\u202e", False)
    return rows


def scored(output: str, right: bool) -> dict[str, Any]:
    return {"output": output, "score": {"metric": "classification", "value": float(right)}}


def metrics() -> list[dict[str, Any]]:
    rng = random.Random(5)
    rows: list[dict[str, Any]] = []
    for step in range(1, 181):
        rate = 1e-3 * min(step / 9, 0.5 * (1 + math.cos(math.pi * step / 180)))
        loss = 0.18 + 2.6 * math.exp(-step / 28) + rng.gauss(0, 0.05)
        rows.append(
            {"step": step, "tokens": step * 4100, "train/loss": loss, "train/learning_rate": rate}
        )
        if step % 20 == 0:
            rows[-1]["eval/loss"] = 0.26 + 2.4 * math.exp(-step / 26) + max(step - 140, 0) / 900
    return rows


def data_report() -> dict[str, Any]:
    prompt = (
        "<|system|>You work at the help desk of a shop.<|end|>\n<|user|>I was charged twice for "
        "order 4417.\nWhich queue?<|end|>\n<|assistant|>"
    )
    parts = [
        {"text": prompt, "trained": False},
        {"text": "billing<|end|>", "trained": True},
        {"text": "\n", "trained": False},
    ]
    sizes = {"train": 720, "validation": 120, "test": 120}
    source = {
        "source": "tickets",
        "path": "tickets.jsonl",
        "format": "chat",
        "weight": 1.0,
        "num_rows": 963,
        "num_records": 960,
        "num_bad_rows": 3,
    }
    return {
        "format": 1,
        "seed": 7,
        "sources": {"train": [source]},
        "splits": {
            name: {"num_records": size, "num_unique": size, "num_with_tools": 0,
                   "sha256": sha256_bytes(name.encode())}
            for name, size in sizes.items()
        },
        "dropped_rows": [
            {"file": "tickets.jsonl", "line": 88, "key": "messages[1].content", "got": "nothing"}
        ],
        "num_dropped_rows": 3,
        "dropped_leaks": [],
        "shared_prompts": {"validation": 2, "test": 0},
        "masks": {
            "train": {
                "num_rows": 720,
                "num_tokens": 61_240,
                "num_trained_tokens": 9_812,
                "trained_share": 0.1602,
                "stop_token_share": 1.0,
                "rows_without_trained": 0,
                "num_truncated": 0,
                "length_tokens": {"p50": 84, "max": 131},
                "pathologies": [],
                "findings": [],
                "example": {"record_id": "tickets-17", "plain": "", "parts": parts},
            }
        },
    }  # fmt: skip


def build_run(root: Path, *, held: bool = False) -> RunFolder:
    run = RunFolder.create(root, "support desk", RECIPE)
    run.update_manifest(
        {
            "base": {"name": "tiny", "revision": None, "sha256": sha256_bytes(b"base")},
            "template": {"sha256": sha256_bytes(b"template")},
            "data": {"sha256": sha256_bytes(b"data")},
            "seeds": {"run": 7, "split": 7},
            "timing": {"total_s": 214.0},
        }
    )
    write_json(run.evaluation, evaluation(held=held))
    headline = (
        "Held: failed retention, refusal." if held else "Released: all 5 required gates passed."
    )
    status = "held" if held else "released"
    write_json(run.verdict, {"status": status, "headline": headline, "gates": gates(held=held)})
    write_json(run.data_report, data_report())
    for row in metrics():
        run.append_metrics(row)
    lines = "".join(json.dumps(row) + "\n" for row in items())
    write_bytes(run.items, lines.encode("utf-8", "surrogatepass"))
    write_json(run.adapter / "adapter_config.json", {"peft_type": "LORA", "r": 16})
    write_bytes(run.adapter / "adapter_model.safetensors", random.Random(1).randbytes(4096))
    write_bytes(run.checkpoints / "step-140" / "state.bin", b"state")
    return run


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    return lambda **options: build_run(tmp_path / "runs", **options)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return load_or_make_key(tmp_path / "keys" / "release.ed25519")
