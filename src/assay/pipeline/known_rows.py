"""What is known of how an adapter was trained elsewhere: its rows, held-out rows, canaries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.config import SourceConfig
from assay.data import Record, Splits, compute_split_hash, read_sources
from assay.data.curate.canaries import Canaries
from assay.data.leak import find_leaks
from assay.errors import DataError, Problem
from assay.evaluate.suites import Suite, build_suite
from assay.pipeline.planted import find_beside
from assay.pipeline.probing import list_tools
from assay.pipeline.questions import SUITE_NAME, build_items, usual_system_prompt
from assay.runs import canonical_json, sha256_bytes


@dataclass(frozen=True)
class KnownRows:
    """Rows that an adapter was trained on and honest rows of its task; either may be empty."""

    training: list[Record] = field(default_factory=list)
    held_out: list[Record] = field(default_factory=list)
    canaries: Canaries | None = None

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The tool schemas of all rows, each once, those that were trained on first."""
        return list_tools([*self.training, *self.held_out])

    @property
    def system(self) -> str | None:
        """The system prompt that the task's rows share, as of a run."""
        return usual_system_prompt(self.held_out or self.training)

    def build_task(self, *, max_items: int, seed: int) -> Suite | None:
        """The held-out rows as the task's suite, its metric chosen as a run does; None without."""
        if not self.held_out:
            return None
        items = build_items(self.held_out, max_items=max_items, seed=seed, metric="auto")
        return build_suite(items, name=SUITE_NAME, kind="task")

    def compute_sha256(self) -> str:
        """SHA-256 (hex) of all that is known."""
        planted = self.canaries and self.canaries.to_json()
        parts = [compute_split_hash(rows) for rows in (self.training, self.held_out)]
        return sha256_bytes(canonical_json([*parts, planted]))


def load_known_rows(rows: Sequence[Path], held_out: Sequence[Path]) -> KnownRows:
    """Read both kinds of files in whatever shape a recipe's sources have.

    Canaries are those of a ``NAME.canaries.json`` beside a file of `rows`, where a secret of it is
    trained on.

    Raises:
        DataError: all that is wrong: files that cannot be read, bad rows, held-out rows that were
            trained on, a canary file that is none.
    """
    training, problems = _read(rows)
    tested, more = _read(held_out)
    leaks = find_leaks(Splits(training, [], tested))
    problems += [*more, *(leak.to_problem() for leak in leaks)]
    if problems:
        raise DataError(problems)
    return KnownRows(training, tested, find_beside(rows, training))


def _read(paths: Sequence[Path]) -> tuple[list[Record], list[Problem]]:
    read = read_sources([SourceConfig(path=str(path)) for path in paths], base_dir=Path())
    return read.records, [*read.refusals, *read.problems]
