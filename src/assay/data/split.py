"""Splits records into train, validation and test by group, seeded; reads and renders nothing.

Groups are put in the order of SHA-256(seed, group key) and fill test, then validation, then train.
The order of rows in a file therefore changes nothing, and a group is never divided.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from assay.data.keys import compute_prompt_keys
from assay.data.records import Record
from assay.errors import DataError, Problem

SPLIT_NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class Splits:
    """Records of each split, in the order in which they were read."""

    train: list[Record]
    validation: list[Record]
    test: list[Record]

    def as_dict(self) -> dict[str, list[Record]]:
        """Splits by name, in the order train, validation, test."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def split_records(
    records: Sequence[Record], *, validation_ratio: float, test_ratio: float, seed: int
) -> Splits:
    """Divide records by group; a group with a record that may not be held out is for training.

    A split with a ratio above 0 gets `max(1, round(ratio * n))` of the n records, or fewer where
    the next groups do not fit whole; it never gets more. Records without a group of their own are
    grouped by prompt (see `group_by_prompt`).

    Raises:
        DataError: a split would stay empty, since there are too few groups or they are too large.
    """
    groups = _collect_groups(records)
    fixed = {
        key for key, indices in groups.items() if any(not records[i].hold_out for i in indices)
    }
    ordered = sorted(groups.keys() - fixed, key=lambda key: _hash(seed, key))
    total = sum(len(groups[key]) for key in ordered)
    targets = {"test": _target(test_ratio, total), "validation": _target(validation_ratio, total)}
    sizes = dict.fromkeys(SPLIT_NAMES, 0)
    chosen = {index: "train" for key in fixed for index in groups[key]}
    sizes["train"] += len(chosen)
    for key in ordered:
        size = len(groups[key])
        fitting = (name for name, target in targets.items() if sizes[name] + size <= target)
        name = next(fitting, "train")
        sizes[name] += size
        chosen.update(dict.fromkeys(groups[key], name))
    _refuse_empty(sizes, targets, num_groups=len(groups), num_records=total)
    parts: dict[str, list[Record]] = {name: [] for name in SPLIT_NAMES}
    for index, record in enumerate(records):
        parts[chosen[index]].append(record)
    return Splits(**parts)


def group_by_prompt(records: Sequence[Record]) -> list[str]:
    """One group key for each record: records that share a prompt share a key.

    A conversation whose prompt is an earlier stretch of a longer one belongs to the longer one's
    group, because that turn is trained there. Keys depend on content alone.
    """
    prompts = [compute_prompt_keys(record) for record in records]
    finals = {keys[-1] for keys in prompts}
    parents: dict[str, str] = {}
    for keys in prompts:
        shared = [key for key in keys if key in finals]
        for first, second in pairwise(shared):
            a, b = _find(parents, first), _find(parents, second)
            parents[max(a, b)] = min(a, b)
    return [_find(parents, keys[-1]) for keys in prompts]


def _find(parents: dict[str, str], key: str) -> str:
    """Root of `key`; paths are halved on the way, so chains stay short."""
    while (parent := parents.get(key, key)) != key:
        parents[key] = parents.get(parent, parent)
        key = parent
    return key


def _collect_groups(records: Sequence[Record]) -> dict[str, list[int]]:
    """Indices of the records of each group. The user's groups and prompts cannot collide."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, (record, prompt) in enumerate(zip(records, group_by_prompt(records), strict=True)):
        key = f"prompt:{prompt}" if record.group is None else f"group:{record.group}"
        groups[key].append(index)
    return groups


def _hash(seed: int, key: str) -> str:
    return hashlib.sha256(f"{seed}\n{key}".encode()).hexdigest()


def _target(ratio: float, total: int) -> int:
    return max(1, int(ratio * total + 0.5)) if ratio > 0 else 0


def _refuse_empty(
    sizes: dict[str, int], targets: dict[str, int], *, num_groups: int, num_records: int
) -> None:
    wanted = [name for name, target in targets.items() if target > 0] + ["train"]
    problems = [
        Problem(
            f"no row for the {name} split: {num_records} rows in {num_groups} groups",
            "enough groups (of rows, or of data.group_by) for each split",
            f"add rows, give data.{name} a file, or set data.{name}_ratio: 0"
            if name != "train"
            else "add rows, or lower data.validation_ratio and data.test_ratio",
            key="data.train" if name == "train" else f"data.{name}_ratio",
        )
        for name in wanted
        if sizes[name] == 0
    ]
    if problems:
        raise DataError(problems)
