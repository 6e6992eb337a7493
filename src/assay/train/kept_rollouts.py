"""Rollouts on disk: the rows that later updates learn from, kept until no checkpoint needs them.

Each of several ranks writes its own share; any number of ranks goes on from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.data.answers import AnswerRow
from assay.data.share import share_lengths
from assay.errors import CheckpointError
from assay.train.ranks import Ranks
from assay.train.rollout_rows import read_rows, write_rows


@dataclass(frozen=True)
class KeptRollouts:
    """The rollouts of a run in `folder`, of which each serves `updates` steps.

    `find_oldest` gives the first step that any checkpoint may go on from.
    """

    folder: Path
    updates: int
    find_oldest: Callable[[], int]

    def keep(self, number: int, rows: Sequence[AnswerRow], ranks: Ranks) -> None:
        """Keep this rank's rows of a rollout, and drop those that none needs; collective."""
        step = number * self.updates
        own = f"step-{step:08d}.{ranks.rank:03d}-of-{ranks.num_ranks:03d}.jsonl"
        for old in self.folder.glob(f"step-{step:08d}.*.jsonl") if ranks.is_first else ():
            old.unlink()
        ranks.wait()
        write_rows(self.folder / own, rows)
        ranks.wait()
        if ranks.is_first:
            self._drop(min(step, self.find_oldest()))

    def read(self, number: int, ranks: Ranks) -> list[AnswerRow]:
        """This rank's share of the rows of a rollout.

        Raises:
            CheckpointError: not all of it is there.
        """
        step = number * self.updates
        paths = sorted(self.folder.glob(f"step-{step:08d}.*.jsonl"))
        expected = int(paths[0].name.rpartition("-of-")[2][:3]) if paths else 1
        if len(paths) != expected:
            raise CheckpointError(
                f"{self.folder}: {len(paths)} of {expected} files of the rollout of step {step},"
                " whose updates are not done; resume from an earlier checkpoint, or start anew"
            )
        if expected == ranks.num_ranks:
            return read_rows([paths[ranks.rank]])
        rows = read_rows(paths)
        shares = share_lengths([row.num_tokens for row in rows], ranks.num_ranks)
        return [rows[i] for i in shares[ranks.rank]]

    def _drop(self, first_needed: int) -> None:
        for path in self.folder.glob("step-*.jsonl"):
            if int(path.name[5:13]) + self.updates <= first_needed:
                path.unlink()
