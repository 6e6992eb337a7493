"""The lines of items.jsonl, from which every score can be computed anew; it opens no file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from assay.evaluate.items import Item, Score, item_from_dict, order_variants

Split = Literal["test", "validation"]


def build_item_line(
    item: Item,
    outputs: Mapping[str, str],
    scores: Mapping[str, Score],
    *,
    split: Split | None = None,
) -> dict[str, Any]:
    """One line of items.jsonl: the whole item, and each model's output and score.

    `split` is that of a task item's row; items of other suites have none.
    """
    answers = {
        variant: {"output": outputs[variant], "score": scores[variant].to_dict()}
        for variant in order_variants(outputs)
    }
    return {**item.to_dict(), **({"split": split} if split else {}), **answers}


def read_item_line(line: Mapping[str, Any]) -> tuple[Item, dict[str, str]]:
    """The item and the outputs by model, so that scores can be computed anew from the log."""
    variants = order_variants(line)
    values = {key: value for key, value in line.items() if key not in (*variants, "split")}
    return item_from_dict(values), {key: str(line[key]["output"]) for key in variants}


def read_score(value: Mapping[str, Any]) -> Score:
    """The score of a line's model, as `Score.to_dict` wrote it."""
    return Score(**value)


def is_tested(line: Mapping[str, Any]) -> bool:
    """Whether a line is of an item that was tested on, and not one of the task's validation."""
    return line.get("split") != "validation"
