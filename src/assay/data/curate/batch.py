"""Rows as detectors see them: numbered, in batches, with every text of a batch at hand.

Searching all texts of a batch at once in Arrow's memory (RE2) takes about a microsecond a row where
Python's `re` takes ten to thirty; so a detector asks `Batch.matching` first, and looks at the few
texts that are left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from assay.data.curate.words import Numbers, Words, hash_words
from assay.data.keys import compute_conversation_key
from assay.data.records import Record

SPOKEN = ("user", "assistant", "tool", "call")


class CheckedRow(NamedTuple):
    """A record with its number (from 0 over all files) and its part: train, test, suite:NAME …"""

    number: int
    part: str
    record: Record


class Text(NamedTuple):
    """One text of a row: `path` as in `Span`, `role` of its message.

    Tool-call arguments are texts of role ``call``, a row's offered tools one text of role
    ``tools``; the answers of completion and text rows are texts of the assistant. What is said in
    the rejected answer of a pair has the role ``rejected``: it is searched for what must not be in
    the data, and no answer to learn.
    """

    row: CheckedRow
    path: str
    role: str
    text: str


class Spoken(NamedTuple):
    """Texts of `SPOKEN` roles, their words, and where those of each row begin, and the end."""

    texts: list[Text]
    words: Words
    row_starts: Numbers


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of one reading."""

    rows: list[CheckedRow]

    @cached_property
    def texts(self) -> list[Text]:
        """Every text of every row, in order."""
        return [text for row in self.rows for text in iterate_texts(row)]

    @cached_property
    def spoken(self) -> Spoken:
        """The words of all that is said, without system prompts and tools."""
        texts = [text for text in self.texts if text.role in SPOKEN]
        words = hash_words([text.text for text in texts])
        numbers = np.fromiter((text.row.number for text in texts), np.int64, len(texts))
        own = np.fromiter((row.number for row in self.rows), np.int64, len(self.rows))
        firsts = np.append(np.searchsorted(numbers, own), len(texts))
        return Spoken(texts, words, words.text_starts[firsts])

    @cached_property
    def digests(self) -> list[tuple[int, int]]:
        """For each row two numbers below 2**64, equal for the same conversation (`data.keys`)."""
        keys = (compute_conversation_key(row.record) for row in self.rows)
        return [(int(key[:16], 16), int(key[16:32], 16)) for key in keys]

    @cached_property
    def arrow(self) -> Any:
        """The texts as one `pyarrow.LargeStringArray`."""
        import pyarrow as pa

        return pa.array([text.text for text in self.texts], pa.large_string())

    def matching(self, pattern: str) -> list[Text]:
        """The texts in which `pattern` (RE2 syntax; bytes are UTF-8) matches somewhere."""
        import pyarrow.compute as pc

        found = pc.match_substring_regex(self.arrow, pattern=pattern)
        return [self.texts[index] for index in pc.indices_nonzero(found).to_pylist()]


def iterate_texts(row: CheckedRow) -> Iterator[Text]:
    """The texts of one row that have a character, in the order of its messages."""
    places = [
        *((f"messages[{i}]", one["role"], one) for i, one in enumerate(row.record.messages)),
        *((f"rejected[{i}]", "rejected", one) for i, one in enumerate(row.record.rejected or ())),
    ]
    for path, role, message in places:
        for key in ("reasoning_content", "content"):
            if message.get(key):
                yield Text(row, f"{path}.{key}", role, message[key])
        for place, call in enumerate(message.get("tool_calls", ())):
            arguments = call["function"]["arguments"]
            yield Text(row, f"{path}.tool_calls[{place}].function.arguments", "call", arguments)
    if row.record.tools:
        from assay.data.records import canonical_json

        yield Text(row, "tools", "tools", canonical_json(row.record.tools))
