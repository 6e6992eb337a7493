"""Asks a model every item of a suite and keeps each answer on disk as soon as it is there.

Answers are asked in fixed chunks, so that a resumed evaluation forms the same batches and gives
the same answers as one that was not interrupted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.evaluate.items import Item, Score
from assay.evaluate.scorers import score_perplexity
from assay.generate import Engine, Sampling
from assay.runs.metrics import append_line, read_lines

Count = Callable[[int, int], None]


def ask(
    engine: Engine,
    prompts: Sequence[list[int]],
    sampling: Sampling,
    *,
    log: Path,
    chunk: int,
    on_count: Count,
) -> list[str]:
    """The answer to every prompt, in order; those that `log` already holds are not asked again."""
    key = _key(prompts, sampling)
    known = {int(line["place"]): str(line["output"]) for line in _read(log, key)}
    order = sorted(range(len(prompts)), key=lambda place: (len(prompts[place]), place))
    for start in range(0, len(order), chunk):
        places = order[start : start + chunk]
        if any(place not in known for place in places):
            seeded = replace(sampling, seed=sampling.seed + start)
            generations = engine.generate([prompts[place] for place in places], seeded)
            for place, generation in zip(places, generations, strict=True):
                known[place] = generation.text
                append_line(log, {"key": key, "place": place, "output": generation.text})
        on_count(min(start + chunk, len(order)), len(order))
    return [known[place] for place in range(len(prompts))]


def score_texts(
    engine: Engine, items: Sequence[Item], sequences: Sequence[tuple[list[int], list[float]]]
) -> dict[str, Score]:
    """Perplexity scores by item id from the log-probabilities of the gold texts."""
    scores = engine.score(sequences)
    return {
        item.id: score_perplexity(score.sum_logprob, round(score.weight))
        for item, score in zip(items, scores, strict=True)
    }


def _key(prompts: Sequence[list[int]], sampling: Sampling) -> str:
    """Identifies what was asked and how, so that an old log is never read for another question."""
    digest = hashlib.sha256(json.dumps([prompts, repr(sampling)]).encode())
    return digest.hexdigest()[:16]


def _read(log: Path, key: str) -> list[dict[str, Any]]:
    return [line for line in read_lines(log) if line.get("key") == key] if log.exists() else []
