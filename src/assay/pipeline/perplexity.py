"""Scores items by the probability that a model gives to their gold answers; it asks nothing."""

from __future__ import annotations

from collections.abc import Sequence

from assay.evaluate.items import Item, Score, reference_calls, reference_text, unscored
from assay.evaluate.scorers import score_perplexity
from assay.generate import Engine
from assay.pipeline.prompts import Question

Window = tuple[list[int], list[float]]


def score_golds(
    engine: Engine, items: Sequence[Item], golds: Sequence[Question], *, context_len: int
) -> dict[str, Score]:
    """Perplexity scores by item id, from the answers' tokens in `golds` (see `build_gold`).

    A plain text longer than the context is read in windows. An answer that does not fit into the
    context together with its prompt is unscored, and so is an item without an answer.
    """
    windows: list[Window] = []
    owners: list[str] = []
    scores: dict[str, Score] = {}
    for item, gold in zip(items, golds, strict=True):
        reason = _find_obstacle(item, gold, context_len)
        if reason:
            scores[item.id] = unscored("perplexity", reason)
            continue
        found = split_windows(gold.input_ids, gold.loss_mask, size=context_len)
        windows += found
        owners += [item.id] * len(found)
    sums = dict.fromkeys(owners, 0.0)
    weights = dict.fromkeys(owners, 0.0)
    for owner, score in zip(owners, engine.score(windows), strict=True):
        sums[owner] += score.sum_logprob
        weights[owner] += score.weight
    return scores | {owner: score_perplexity(sums[owner], round(weights[owner])) for owner in sums}


def split_windows(
    input_ids: Sequence[int], loss_mask: Sequence[float], *, size: int
) -> list[Window]:
    """A sequence in parts of at most `size` (2 or more) tokens, each token weighed in one of them.

    Every part but the first begins with the half window before what it weighs, so that no token
    is judged without what precedes it.
    """
    windows: list[Window] = []
    done = 0
    while done < len(input_ids):
        start = max(0, done - size // 2)
        end = min(start + size, len(input_ids))
        mask = [0.0] * (done - start) + list(loss_mask[done:end])
        windows.append((list(input_ids[start:end]), mask))
        done = end
    return windows


def _find_obstacle(item: Item, gold: Question, context_len: int) -> str:
    if not reference_text(item) and not reference_calls(item):
        return "the item has no reference answer"
    if item.rendering == "text" or len(gold.input_ids) <= context_len:
        return ""
    return (
        f"prompt and answer have {len(gold.input_ids)} tokens, more than the context of"
        f" {context_len}"
    )
