"""What was said of each choice of a stored completion, from its feedback and its metadata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

RATING, CORRECTION, COMMENT = "rating", "correction", "comment"
"""Keys of a completion's metadata that say the same as feedback; of its first choice."""


@dataclass(frozen=True)
class Said:
    """What was said of one choice: the mean of its ratings (0 to 1), the newest correction."""

    score: float | None
    scores: tuple[float, ...]
    correction: dict[str, Any] | None
    comments: tuple[str, ...]
    odd_rating: str | None = None


def gather(completion: Any, entries: Sequence[Any], choice: int) -> Said:
    """What was said of a choice; metadata counts as said last, since it is replaced whole."""
    own = [one for one in entries if one.choice == choice]
    scores = [float(one.score) for one in own if one.score is not None]
    corrections = [one.correction for one in own if one.correction is not None]
    comments = [str(one.comment) for one in own if one.comment]
    odd = None
    told = (completion.metadata or {}) if choice == 0 else {}
    if told.get(RATING):
        score = read_rating(told[RATING])
        scores += [] if score is None else [score]
        odd = told[RATING] if score is None else None
    if told.get(CORRECTION):
        corrections.append({"role": "assistant", "content": told[CORRECTION]})
    if told.get(COMMENT):
        comments.append(told[COMMENT])
    mean = sum(scores) / len(scores) if scores else None
    newest = corrections[-1] if corrections else None
    return Said(mean, tuple(scores), newest, tuple(comments), odd)


def read_rating(text: str) -> float | None:
    """A rating of metadata from 0 to 1, where -1 is 0; None where it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return max(0.0, value) if value == -1 or 0 <= value <= 1 else None
