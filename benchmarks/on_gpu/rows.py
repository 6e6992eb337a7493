"""The rows of a GPU workload, the FLOPs that they need, and their padded form."""

from __future__ import annotations

import random
from typing import Any

import torch

from benchmarks.on_gpu.meter import WARM_UP_STEPS
from benchmarks.rates import compute_needed_flops

Row = dict[str, list[int]]
TRAINED_SHARE = 0.4


def make_rows(spec: dict[str, Any]) -> list[Row]:
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


def count_flops(spec: dict[str, Any], rows: list[Row]) -> float:
    """FLOPs a step needs, on the mean of the timed ones: of matrices, and of causal attention.

    As `benchmarks.rates` counts them, forward and backward; of attention the half of the square
    that is seen. Recomputation for the sake of memory, adapters and elementwise work do not count.
    """
    timed = rows[-spec["num_steps"] * spec["num_sequences"] :]
    labels = sum(label >= 0 for row in timed for label in row["labels"])
    tokens = sum(len(row["input_ids"]) for row in timed)
    needed = compute_needed_flops(spec | {"num_tokens": tokens, "num_labels": labels})
    width = spec["sizes"]["num_hidden_layers"] * spec["sizes"]["hidden_size"]
    needed += sum(6 * len(row["input_ids"]) ** 2 * width for row in timed)
    return needed / spec["num_steps"]


def pad(rows: list[Row], device: torch.device) -> dict[str, torch.Tensor]:
    """A batch padded to its longest row, with the mask that says so."""
    width = max(len(row["input_ids"]) for row in rows)

    def fill(key: str, filler: int) -> torch.Tensor:
        padded = [row[key] + [filler] * (width - len(row[key])) for row in rows]
        return torch.tensor(padded, device=device)

    lengths = torch.tensor([len(row["input_ids"]) for row in rows], device=device)
    mask = (torch.arange(width, device=device)[None] < lengths[:, None]).long()
    return {
        "input_ids": fill("input_ids", 0),
        "labels": fill("labels", -100),
        "attention_mask": mask,
    }
