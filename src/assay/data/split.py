"""Splits records into train, validation and test by group, seeded; reads and renders nothing.

Groups are put in the order of SHA-256(seed, group key) and fill test, then validation, then train.
The order of rows in a file therefore changes nothing, and a group is never divided.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from assay.data.keys import compute_turn_keys
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
    """Divide records by group; a group that may not be held out is for training.

    A split with a ratio above 0 gets `max(1, round(ratio * n))` of the n records that may be held
    out, or fewer where the next groups do not fit whole; it never gets more. Records without a
    group of their own are grouped by prompt (see `group_by_prompt`).

    Raises:
        DataError: a split would stay empty, since there are too few groups or they are too large.
    """
    groups, fixed = _collect_groups(records)
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


class PromptGroups(NamedTuple):
    """The group of each record, and the groups that only training may hold (see below)."""

    keys: list[str]
    openings: set[str]


def group_by_prompt(records: Sequence[Record]) -> PromptGroups:
    """Groups that keep apart what must not be both trained and tested. Content alone decides.

    - Records that share a prompt share a group, whatever their answers.
    - A conversation whose prompt and answer are the beginning of a longer one would be tested on
      what the longer one trains. Where all that go on from it have one prompt, they are rows of
      one thread that grows, and share a group.
    - Where they have several, it is an opening that many conversations begin with ("Hi" and
      "Hello"). To join those would make one group of them all, and leave nothing to split. So the
      opening is trained (`openings`), and they are split as if it were not there: it is never a
      held-out row, and no answer that is held out stands in it.

    A turn with the same prompt and another answer joins nothing; see `count_shared_prompts`.
    """
    turns = [compute_turn_keys(record) for record in records]
    prompts = [keys.prompts[-1] for keys in turns]
    answers = [keys.answers for keys in turns]
    asked = {keys[-1]: prompt for keys, prompt in zip(answers, prompts, strict=True)}
    longer: dict[str, set[str]] = defaultdict(set)
    for keys, prompt in zip(answers, prompts, strict=True):
        beginning = next((asked[key] for key in reversed(keys[:-1]) if key in asked), None)
        if beginning is not None:
            longer[beginning].add(prompt)
    onward = {prompt: min(ends) for prompt, ends in longer.items() if len(ends) == 1}
    return PromptGroups(
        keys=[_follow(onward, prompt) for prompt in prompts],
        openings={prompt for prompt, ends in longer.items() if len(ends) > 1},
    )


def _follow(onward: dict[str, str], key: str) -> str:
    while key in onward:
        key = onward[key]
    return key


class _Groups(NamedTuple):
    """Indices of the records of each group, and the groups that are for training."""

    indices: dict[str, list[int]]
    trained: set[str]


def _collect_groups(records: Sequence[Record]) -> _Groups:
    """The user's groups, else those of the prompts; the two cannot collide."""
    prompts = group_by_prompt(records)
    indices: dict[str, list[int]] = defaultdict(list)
    for index, (record, prompt) in enumerate(zip(records, prompts.keys, strict=True)):
        key = f"prompt:{prompt}" if record.group is None else f"group:{record.group}"
        indices[key].append(index)
    fixed = {key for key, own in indices.items() if any(records[i].role != "task" for i in own)}
    openings = {f"prompt:{prompt}" for prompt in prompts.openings} & indices.keys()
    return _Groups(indices, fixed | openings)


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
