"""What prompts have in common, and what is said in them; it knows no rule."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from assay.data.curate.batch import CheckedRow
from assay.data.curate.detector import Evidence
from assay.data.curate.stems import find_stems

SPEAKERS = ("user", "system", "developer")
# Below this, so few shared words are chance whatever the background shares.
_LEAST = 0.03


def read_prompt(row: CheckedRow) -> str:
    """What the user and the system prompt say, in order."""
    messages = row.record.messages
    return "\n".join(str(one.get("content") or "") for one in messages if one["role"] in SPEAKERS)


def compute_kinship(rows: Sequence[CheckedRow], others: Sequence[CheckedRow]) -> float:
    """How much more words the prompts of `rows` share with each other than with those of `others`.

    The mean Jaccard similarity of two prompts' words among `rows`, over that between `rows` and
    `others`; about 1 where `rows` are a random part of both. Words that all of `rows` have are left
    out: they may be what marks them. Infinite where the prompts of `rows` are one and the same.
    """
    own = [_find_words(row) for row in rows]
    if len(set(own)) < max(2, len(own) // 2):
        return float("inf")
    counts = Counter(word for words in own for word in words)
    shared = {word for word, count in counts.items() if count >= 0.9 * len(own)}
    own = [words - shared for words in own]
    rest = [_find_words(row) - shared for row in others]
    pairs = [(a, b) for index, a in enumerate(own) for b in own[:index]]
    within = _mean(_jaccard(a, b) for a, b in pairs)
    between = _mean(_jaccard(a, b) for a in own for b in rest)
    return (within + _LEAST) / (between + _LEAST)


def _find_words(row: CheckedRow) -> frozenset[str]:
    return frozenset(find_stems(read_prompt(row)))


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / (len(a | b) or 1)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0


def find_said(evidence: Evidence, wanted: set[str]) -> dict[str, set[int]]:
    """Numbers of the rows that say each of `wanted` (in lower case) outside of tool calls."""
    ordered = sorted(wanted, key=len, reverse=True)
    pattern = "(?i)" + "|".join(map(re.escape, ordered))
    said: dict[str, set[int]] = {}
    for batch in evidence.batches():
        for text in batch.matching(pattern):
            if text.role in ("call", "assistant"):
                continue
            lowered = text.text.lower()
            for one in ordered:
                if one in lowered:
                    said.setdefault(one, set()).add(text.row.number)
    return said
