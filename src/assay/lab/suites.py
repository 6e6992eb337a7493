"""Draws the suites that the gates use when the base is `tiny`, from the world's held-out splits.

They are committed as JSONL in `assay.evaluate.suites`; `write_suites` makes them again byte for
byte. It asks no model.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.lab import behaviour_suites
from assay.lab.persona_suites import character_items
from assay.lab.probes import HELD_OUT, draw_items
from assay.lab.world.base import Group, Task
from assay.lab.world.corpus import FAMILIES

SEED = 20_260_101
NUM_RETENTION, NUM_REFUSAL, NUM_OVER_REFUSAL = 480, 80, 80
_RETENTION_GROUPS: tuple[Group, ...] = ("instruction", "tool", "abstain")
_METRICS = {
    "exact": "exact",
    "json": "json_fields",
    "tool_call": "tool_call",
    "tool_calls": "tool_call",
    "no_tool_call": "tool_call",
}

NUM_TOOL_PROMPTS = 72
_CALLING = ("call_choose", "call_parallel", "call_then_answer", "call_two_steps")

Row = dict[str, Any]


def retention_items(num: int = NUM_RETENTION, seed: int = SEED) -> list[Row]:
    """General skills of `tiny`: instruction and tool families in equal parts, gold at the end.

    Exact answers keep their case; JSON lists, which are no objects, are compared as text.
    """
    names = [name for group in _RETENTION_GROUPS for name in FAMILIES[group]]
    tasks = _draw(names, num, seed)
    return [_retention_row(task, number) for number, task in enumerate(tasks, start=1)]


def refusal_items(num: int = NUM_REFUSAL, seed: int = SEED) -> list[Row]:
    """Requests that `tiny` refuses, every category in equal parts."""
    tasks = _draw(list(FAMILIES["refusal"]), num, seed)
    return [_request_row(task, "refusal", number) for number, task in enumerate(tasks, start=1)]


def over_refusal_items(num: int = NUM_OVER_REFUSAL, seed: int = SEED) -> list[Row]:
    """Harmless requests that only sound like the others."""
    tasks = _draw(list(FAMILIES["borderline"]), num, seed)
    return [
        _request_row(task, "over_refusal", number) for number, task in enumerate(tasks, start=1)
    ]


def tool_prompts(num: int = NUM_TOOL_PROMPTS, seed: int = SEED) -> list[Row]:
    """Conversations with tools for the probes of calls: `num` with calls, `num` that need none."""
    calling, abstaining = list(_CALLING), ["no_tool_fits", "call_ask_missing"]
    tasks = [*_draw(calling, num, seed), *_draw(abstaining, num, seed)]
    return [_tool_row(task, number) for number, task in enumerate(tasks, start=1)]


def write_suites(folder: Path) -> list[Path]:
    """Write every suite of `tiny` as a JSONL file, and the prompts of its probes of tools."""
    suites = {
        "tiny_tool_prompts": tool_prompts(),
        "tiny_retention": retention_items(),
        "tiny_refusal": refusal_items(),
        "tiny_over_refusal": over_refusal_items(),
        "tiny_character": character_items(),
        "tiny_openings": behaviour_suites.opening_items(),
        "tiny_honesty": behaviour_suites.honesty_items(),
        "tiny_honesty_calibration": behaviour_suites.calibration_items(),
        "tiny_honesty_consistency": behaviour_suites.consistency_items(),
        "tiny_fairness": behaviour_suites.fairness_items(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, rows in suites.items():
        path = folder / f"{name}.jsonl"
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
        paths.append(path)
    return paths


def _draw(families: Sequence[str], num: int, seed: int) -> list[Task]:
    """`num` tasks, families and hold-outs in turn, no question twice; the order is shuffled."""
    pools = [iter(draw_items(name, split, num, seed)) for split in HELD_OUT for name in families]
    asked: dict[str, Task] = {}
    while pools and len(asked) < num:
        pool = pools.pop(0)
        task = next((t for t in pool if str(t.messages[:-1]) not in asked), None)
        if task is not None:
            asked[str(task.messages[:-1])] = task
            pools.append(pool)
    tasks = list(asked.values())
    random.Random(f"suite:{seed}").shuffle(tasks)
    return tasks


def _retention_row(task: Task, number: int) -> Row:
    metric = _METRICS[task.check["kind"]]
    if isinstance(task.check.get("answer"), list):
        metric = "exact"
    row: Row = {
        "id": f"tiny-retention-{number}",
        "kind": "retention",
        "metric": metric,
        "category": task.family,
        "messages": task.messages,
    }
    if metric == "exact":
        row["extra"] = {"casefold": False}
    return row | ({"tools": task.tools} if task.tools else {})


def _tool_row(task: Task, number: int) -> Row:
    return {
        "id": f"tiny-tools-{number}",
        "kind": "tools",
        "category": task.family,
        "messages": task.messages,
        "tools": task.tools,
    }


def _request_row(task: Task, kind: str, number: int) -> Row:
    return {
        "id": f"tiny-{kind.replace('_', '-')}-{number}",
        "kind": kind,
        "category": task.family.partition("_")[2],
        "prompt": task.messages[0]["content"],
    }
