"""The lines of items.jsonl, from which every score can be computed anew; it opens no file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.evaluate.items import VARIANTS, Item, Score, item_from_dict


def build_item_line(
    item: Item, outputs: Mapping[str, str], scores: Mapping[str, Score]
) -> dict[str, Any]:
    """One line of items.jsonl: the whole item, and each model's output and score."""
    answers = {
        variant: {"output": outputs[variant], "score": scores[variant].to_dict()}
        for variant in VARIANTS
        if variant in outputs
    }
    return {**item.to_dict(), **answers}


def read_item_line(line: Mapping[str, Any]) -> tuple[Item, dict[str, str]]:
    """The item and the outputs by model, so that scores can be computed anew from the log."""
    values = {key: value for key, value in line.items() if key not in VARIANTS}
    outputs = {key: str(line[key]["output"]) for key in VARIANTS if key in line}
    return item_from_dict(values), outputs
