"""Asks a model every item of a suite and keeps each answer on disk as soon as it is there.

Answers are asked in fixed chunks, so that a resumed evaluation forms the same batches and gives
the same answers as one that was not interrupted. A sample follows the prompt's place among all,
so the size of the chunks does not change it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from assay.generate import Engine, Sampling
from assay.runs.metrics import append_line, read_lines

Count = Callable[[int, int], None]


@dataclass(frozen=True)
class Answer:
    """What a model wrote, and whether it ended only because it ran out of room."""

    text: str
    ended_by_length: bool

    def until(self, stop_text: str) -> Answer:
        """The answer up to `stop_text`, which ended it if it is there; "" ends nothing."""
        if not stop_text or stop_text not in self.text:
            return self
        return Answer(self.text.partition(stop_text)[0], ended_by_length=False)


def ask(
    engine: Engine,
    prompts: Sequence[list[int]],
    sampling: Sampling,
    *,
    log: Path | None,
    chunk: int,
    on_count: Count,
) -> list[Answer]:
    """The answer to every prompt, in order; those that `log` already holds are not asked again."""
    key = _key(prompts, sampling)
    known = _read(log, key)
    order = sorted(range(len(prompts)), key=lambda place: (len(prompts[place]), place))
    for start in range(0, len(order), chunk):
        places = order[start : start + chunk]
        if any(place not in known for place in places):
            asked = [prompts[place] for place in places]
            generations = engine.generate(asked, sampling, places=places)
            for place, generation in zip(places, generations, strict=True):
                known[place] = Answer(generation.text, generation.finish_reason == "length")
                if log is not None:
                    append_line(log, {"key": key, "place": place, **asdict(known[place])})
        on_count(min(start + chunk, len(order)), len(order))
    return [known[place] for place in range(len(prompts))]


def _key(prompts: Sequence[list[int]], sampling: Sampling) -> str:
    """Identifies what was asked and how, so that an old log is never read for another question."""
    digest = hashlib.sha256(json.dumps([prompts, repr(sampling)]).encode())
    return digest.hexdigest()[:16]


def _read(log: Path | None, key: str) -> dict[int, Answer]:
    """The answers of an earlier sitting by place."""
    lines = read_lines(log) if log is not None else []
    return {
        int(line["place"]): Answer(str(line["text"]), bool(line["ended_by_length"]))
        for line in lines
        if line.get("key") == key and "text" in line
    }
