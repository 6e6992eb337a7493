"""DPO, KTO or a reward model with LoRA beside TRL's trainers, and DPO beside LLaMA-Factory's.

Each side has the same pairs, of which KTO reads both answers as rated ones, and runs in a process
of its own, on one thread, in float32, with the trainer's own defaults but for the batch of 8. What
stands before the first step (imports, model, data) is not counted. Ours counts what the reference
says of every answer, which is run once before the first step.

    python -m benchmarks preference [--objective dpo|kto|reward] [--sides assay trl] [--pairs 32]
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

OBJECTIVES = ("dpo", "kto", "reward")
SIDES = ("assay", "trl", "llamafactory")
ROOT = Path(__file__).parents[1]
BATCH_SIZE = 8
SHAPE: dict[str, Any] = {
    "vocab_size": 32_000,
    "hidden_size": 384,
    "intermediate_size": 1024,
    "num_hidden_layers": 6,
    "num_attention_heads": 6,
    "num_key_value_heads": 6,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
PROMPTS, ANSWERS = (40, 80, 120, 160, 240), (10, 20, 40, 80, 120)
"""Lengths in tokens, drawn alike."""

Ids = list[int]


def draw_pairs(count: int) -> list[tuple[Ids, Ids, Ids]]:
    """Prompt, chosen and rejected answer of random tokens."""
    rng = random.Random(0)

    def draw(lengths: Sequence[int]) -> Ids:
        return [rng.randrange(3, SHAPE["vocab_size"]) for _ in range(rng.choice(lengths))]

    return [(draw(PROMPTS), draw(ANSWERS), draw(ANSWERS)) for _ in range(count)]


def draw_rated(count: int) -> list[tuple[Ids, Ids, bool]]:
    """Both answers of each pair after its prompt, the chosen one as wanted."""
    return [
        (prompt, ids, label)
        for prompt, chosen, rejected in draw_pairs(count)
        for ids, label in ((chosen, True), (rejected, False))
    ]


def rotate(answers: list[Ids]) -> list[Ids]:
    """The answers of a step, each in the place of the next: what KTO's divergence is read by."""
    return [*answers[-1:], *answers[:-1]]


def make_model() -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SHAPE))


_started: list[float] = []


def start() -> None:
    """From here on time counts, and memory beyond what is held now."""
    _started[:] = [time.process_time(), float(read_peak())]


def read_peak() -> int:
    """Most kilobytes that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(objective: str, side: str, count: int) -> None:
    import torch

    torch.set_num_threads(1)
    runs: dict[str, Any] = importlib.import_module(f"benchmarks.preference_{side}").RUNS
    tell(objective, side, count, runs[objective](count))


def tell(objective: str, side: str, count: int, losses: Sequence[float]) -> None:
    """Print what was measured since `start`, as one line."""
    seconds = time.process_time() - _started[0]
    num, unit = (2 * count, "answers") if objective == "kto" else (count, "pairs")
    found = {
        "objective": objective,
        "side": side,
        f"{unit}_per_cpu_s": round(num / seconds, 3),
        "peak_mb": round(read_peak() / 1024),
        "before_mb": round(_started[1] / 1024),
        "losses": [float(loss) for loss in losses],
    }
    print(json.dumps(found), flush=True)


def build_command(objective: str, side: str, count: int) -> list[str]:
    """What runs one side in a process of its own, in its own environment."""
    if side == "llamafactory":
        from benchmarks.trainers import PEERS, find_python

        return [str(find_python(side)), str(PEERS / "llamafactory_dpo_run.py"), str(count)]
    arguments = ["--objective", objective, "--side", side, "--pairs", str(count)]
    return [sys.executable, "-m", "benchmarks", "preference", *arguments]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks preference", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=32)
    parser.add_argument("--objective", choices=OBJECTIVES, default="dpo")
    parser.add_argument("--sides", choices=SIDES, nargs="+", default=SIDES[:2])
    parser.add_argument("--side", choices=SIDES[:2], help="this one, in this process")
    given = parser.parse_args(arguments)
    if given.side:
        measure(given.objective, given.side, given.pairs)
        return
    if "llamafactory" in given.sides and given.objective != "dpo":
        parser.error("llamafactory is measured at dpo alone")
    for _ in range(given.rounds):
        for side in given.sides:
            command = build_command(given.objective, side, given.pairs)
            own = os.environ | {"PYTHONPATH": str(ROOT)} if side == SIDES[2] else None
            ended = subprocess.run(command, capture_output=True, text=True, check=False, env=own)
            if ended.returncode:
                sys.exit(f"{side} failed:\n{ended.stderr[-2000:]}")
            lines = ended.stdout.splitlines()
            print(next(line for line in reversed(lines) if line.startswith('{"obj')), flush=True)


if __name__ == "__main__":
    main()
