"""A job's figures out of its run's metrics: events, checkpoints and the results file.

Accuracies are not measured while training, so their columns stay empty and their fields away.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")
REWARD_COLUMNS = ("train_mean_reward", "valid_mean_reward")
_NAMES = {
    "train/loss": "train_loss",
    "eval/loss": "valid_loss",
    "train/reward": "train_mean_reward",
    "eval/reward": "valid_mean_reward",
    "train/learning_rate": "learning_rate",
    "train/grad_norm": "grad_norm",
    "tokens_per_s": "tokens_per_second",
}


def describe_step(record: Mapping[str, Any], num_steps: int) -> dict[str, Any]:
    """The data of a metrics event: OpenAI's names where there are such, and what was measured."""
    named = {theirs: record[ours] for ours, theirs in _NAMES.items() if ours in record}
    return {"step": int(record["step"]), "total_steps": num_steps, **named}


def describe_checkpoint(records: Sequence[Mapping[str, Any]], step: int) -> dict[str, Any]:
    """The metrics of a checkpoint: those of its step, and the last held-out loss until then."""
    metrics: dict[str, Any] = {"step": step}
    for record in records:
        if int(record["step"]) > step:
            break
        if "eval/loss" in record:
            metrics["valid_loss"] = metrics["full_valid_loss"] = record["eval/loss"]
        if int(record["step"]) == step:
            metrics["train_loss"] = record["train/loss"]
    return metrics


def render_csv(records: Sequence[Mapping[str, Any]]) -> bytes:
    """The results file: a row for each step, blank where nothing was measured."""
    has_rewards = any("train/reward" in record for record in records)
    columns = COLUMNS + (REWARD_COLUMNS if has_rewards else ())
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow(describe_step(record, 0))
    return text.getvalue().encode("utf-8")
