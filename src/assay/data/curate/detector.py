"""The shape of a detector: pure functions over rows that look for one or several rules.

A detector works in up to two passes. `scan` sees each batch once, wherever it is run, and finds
what a row shows by itself. `sketch` makes of a batch the little that must be known of every row to
find what only many rows show together (digests, signatures, counts), and `conclude` finds that,
from the sketches of all batches, when every row has been read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from assay.data.curate.batch import Batch, CheckedRow
from assay.data.curate.finding import Hit, Insight, Need, Rule
from assay.data.curate.settings import Settings
from assay.data.records import Record

if TYPE_CHECKING:
    import numpy as np

MODEL_NEEDS: tuple[Need, ...] = ("embed", "score", "fit", "tokenizer", "traits")

Sketch = Mapping[str, Any]
"""NumPy arrays by name; what `sketch` returns is kept on disk between the passes."""


@dataclass(frozen=True)
class Given:
    """What only a model, a tokenizer or an optional package can tell; None is not at hand.

    Attributes:
        embed: records to the base's own hidden states, float32 of shape (records, D).
        score: records to the base's mean loss of their trained tokens, float32 (records,), in nats.
        fit: tunes the base on the first records and scores the second: as `score`.
        tokenizer: the base's chat tokenizer (`assay.chat`).
        context_len: tokens that the base can read at once.
        traits: records to how far each would pull the base along its traits: by trait float64
            (records,), where 0 is the base's own answer and 1 the distance between answers without
            and with the trait (Chen et al. 2025, projection difference); NaN where it is no chat.
        identity: names the model, so that what was concluded with it can be kept; empty: it is not.
        parts: names of the parts that are checked; empty where that is not known beforehand.
        fingerprints: files of `assay data fingerprint` by the name of their suite.
    """

    embed: Callable[[Sequence[Record]], np.ndarray[Any, Any]] | None = None
    score: Callable[[Sequence[Record]], np.ndarray[Any, Any]] | None = None
    fit: Callable[[Sequence[Record], Sequence[Record]], np.ndarray[Any, Any]] | None = None
    tokenizer: Any = None
    context_len: int | None = None
    traits: Callable[[Sequence[Record]], Mapping[str, np.ndarray[Any, Any]]] | None = None
    identity: str = ""
    parts: tuple[str, ...] = ()
    fingerprints: Mapping[str, Path] = field(default_factory=dict)

    def has(self, need: Need) -> bool:
        """Whether this is at hand and of a model: what no other process can be told."""
        return need in MODEL_NEEDS and getattr(self, need) is not None


class Evidence(Protocol):
    """What `conclude` can ask for; nothing of it holds all rows in memory."""

    @property
    def num_rows(self) -> int:
        """Rows that could be read, of all parts."""

    @property
    def given(self) -> Given:
        """What a model can tell."""

    def sketches(self) -> Iterator[Sketch]:
        """The detector's own sketches, in the order of the rows."""

    def batches(self) -> Iterator[Batch]:
        """All rows again, in order."""

    def rows(self, numbers: Iterable[int]) -> dict[int, CheckedRow]:
        """Single rows again, by number."""

    def place(self, number: int) -> str:
        """``file:line`` of a row."""


@dataclass(frozen=True)
class Detector:
    """Functions of one module, and the rules they look for.

    Attributes:
        takes: what of a model `conclude` asks for where it is given, and does without otherwise;
            what its rules need it asks for too.
        version: counts up when what it finds changes, so that kept results are made anew.
        is_ready: why it cannot look now, or None; asked once before anything is read.
    """

    name: str
    rules: tuple[Rule, ...]
    scan: Callable[[Batch, Settings], Iterable[Hit]] | None = None
    sketch: Callable[[Batch, Settings], Sketch] | None = None
    conclude: Callable[[Evidence, Settings], Iterable[Hit | Insight]] | None = None
    takes: tuple[Need, ...] = ()
    version: int = 1
    is_ready: Callable[[Given, Settings], str | None] = field(default=lambda given, settings: None)

    def asks(self, given: Given) -> bool:
        """Whether it asks for anything that only this process has."""
        needs = {*self.takes, *(need for rule in self.rules for need in rule.needs)}
        return any(given.has(need) for need in needs)
