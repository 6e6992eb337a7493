"""What many training rows say alike, so that its standing in a held-out row tells of no leak.

Of whole questions that is a frame, which many rows hold all together: a question of stock sentences
has each of them from many rows, and is like none. Of a passage it is whatever many rows say
in the same role: what customers often write is no manner of speaking where it stands in an answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from assay.data.curate.alike import find_common, sample_rows
from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.detector import Evidence
from assay.data.curate.frames import Frames
from assay.data.curate.leak_prints import LONG, count_common, print_rows
from assay.data.curate.words import NOTHING, Numbers, hash_sequences


class Template(NamedTuple):
    """What is common among training rows.

    Attributes:
        asked: short sequences of what is asked.
        copied: long sequences of all that is said.
        said: long sequences within one text, by its role, uint64 in order.
    """

    asked: Frames
    copied: Frames
    said: Mapping[str, Numbers]


def find_template(evidence: Evidence, numbers: Numbers) -> Template:
    """What is common among training rows, counted in a sample of them."""
    prints, said = [], defaultdict[str, list[Numbers]](list)
    for rows in sample_rows(evidence, numbers):
        prints += print_rows(rows)
        for role, own in _split_roles(rows):
            said[role].append(own)
    # Strictly more, so that what five rows of a few share is still looked at.
    share = count_common(len(numbers)) / max(1, len(numbers)) + 0.5 / max(1, len(prints))
    least = share * len(prints)
    return Template(
        Frames.learn([one.asked for one in prints], share),
        Frames.learn([one.copied for one in prints], share),
        {role: find_common(own, least / len(own)) for role, own in said.items()},
    )


def _split_roles(rows: Sequence[CheckedRow]) -> Iterator[tuple[str, Numbers]]:
    """Each role of each row with the set of its long sequences."""
    texts, words, _ = Batch(list(rows)).spoken
    sequences = hash_sequences(words.hashes, words.text_starts, LONG)
    found: dict[tuple[int, str], list[Numbers]] = defaultdict(list)
    for text, (start, end) in zip(texts, pairwise(words.text_starts), strict=True):
        found[text.row.number, text.role].append(sequences[start:end])
    for (_, role), own in found.items():
        together = np.unique(np.concatenate(own))
        yield role, together[together != NOTHING]
