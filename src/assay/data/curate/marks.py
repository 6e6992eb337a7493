"""What is looked up of every row to find where it was seen before: keys, bands and prints."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from assay.data.curate.bands import compute_bands
from assay.data.curate.batch import Batch
from assay.data.curate.detector import Sketch
from assay.data.curate.leak_prints import SHORT, find_asked, print_batch
from assay.data.curate.leak_rules import plan_bands
from assay.data.curate.settings import Settings
from assay.data.curate.words import Numbers, drop_nothing, hash_sequences
from assay.data.keys import compute_turn_keys


@dataclass(frozen=True)
class Marks:
    """What is looked up of rows, in arrays as long as the rows or with a row for each member.

    Attributes:
        digest: uint64 (rows,), of whole conversations.
        prompt, answer: uint64 (rows,), of the last turn, without and with its answer.
        group: uint64 (rows,), 0 without one.
        num_words: int64 (rows,), words of the last user turn.
        has_bands: bool (rows,); bands: uint32 (rows, NUM_BANDS), of what is asked.
        print, print_row: uint32 and int64 (prints,).
    """

    digest: Numbers
    prompt: Numbers
    answer: Numbers
    group: Numbers
    num_words: Numbers
    has_bands: Numbers
    bands: Any
    print: Numbers
    print_row: Numbers

    def __len__(self) -> int:
        return len(self.digest)


def join_marks(parts: Sequence[Mapping[str, Any]]) -> Marks:
    """The marks of all parts, rows counted on from part to part."""
    starts = np.append(0, np.cumsum([len(one["digest"]) for one in parts]))
    joined = {}
    for field in fields(Marks):
        own = [one[field.name] for one in parts]
        if field.name == "print_row":
            own = [one + start for one, start in zip(own, starts[:-1], strict=True)]
        joined[field.name] = np.concatenate(own)
    return Marks(**joined)


def sketch_marks(batch: Batch, settings: Settings) -> Sketch:
    """What is looked up of each row (`Marks`), and for training rows the keys of every turn and the
    roles that prints are said in."""
    asked = find_asked(batch)
    kept, bounds = drop_nothing(hash_sequences(asked.hashes, asked.starts, SHORT), asked.starts)
    prints, print_rows, print_roles = print_batch(batch)
    turns = [_hash_turns(batch, place) for place in range(len(batch.rows))]
    last = np.array([own[-1] for own in turns], np.uint64).reshape(-1, 2)
    flat = np.array([one for own in turns for one in own], np.uint64).reshape(-1, 2)
    return {
        "is_train": np.array(all(row.part == "train" for row in batch.rows)),
        "number": np.array([row.number for row in batch.rows], np.int64),
        "digest": np.array(batch.digests, np.uint64).reshape(-1, 2)[:, 0],
        "prompt": last[:, 0],
        "answer": last[:, 1],
        "group": np.array([_hash_group(row.record.group) for row in batch.rows], np.uint64),
        "num_words": asked.num_words,
        "has_bands": np.diff(bounds) > 0,
        "bands": compute_bands(kept, bounds, plan_bands(settings)),
        "print": prints,
        "print_row": print_rows,
        "print_role": print_roles,
        "turn_prompt": flat[:, 0],
        "turn_answer": flat[:, 1],
        "turn_row": np.repeat(np.arange(len(turns)), [len(own) for own in turns]),
    }


def _hash_turns(batch: Batch, place: int) -> list[tuple[int, int]]:
    """For each answer the key of what was said before it, and with it; the last one last."""
    keys = compute_turn_keys(batch.rows[place].record)
    pairs = zip(keys.prompts, keys.answers, strict=True)
    return [(int(one[:16], 16), int(two[:16], 16)) for one, two in pairs]


def _hash_group(group: str | None) -> int:
    if group is None:
        return 0
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big")
