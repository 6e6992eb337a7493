"""The weight of the divergence from the reference, fixed or led to a target (Ziegler et al. 2019).

What each rollout was weighed with, and how far the model had moved, stands in a file, so that a
resumed run goes on with the very same weight.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from assay.errors import CheckpointError
from assay.runs import write_bytes
from assay.train.ranks import ALONE, Ranks

MAX_ERROR = 0.2
"""By more than this share of the target no rollout counts as off."""


@dataclass(frozen=True)
class Reading:
    """Of one rollout: its weight, nats a completion that it was away, and the next one's weight."""

    rollout: int
    beta: float
    kl: float
    next_beta: float


class KlControl:
    """The weight of each rollout, by its number.

    ``β' = β (1 + clip(KL / target - 1, -0.2, 0.2) n / horizon)`` after a rollout of n completions
    (Ziegler et al. 2019, "Fine-tuning language models from human preferences", section 2.2; with
    their code's division by a horizon).

    Args:
        beta: of the first rollout, and of all without a `target`.
        target: nats a completion, above 0; None leaves `beta` as it is.
        horizon: completions after which the weight has followed an error in full.
        path: where readings are kept; None keeps them in memory alone.
        ranks: the first writes; all call alike.
    """

    def __init__(
        self,
        beta: float,
        *,
        target: float | None = None,
        horizon: int = 10_000,
        path: Path | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.beta, self.target, self.horizon = beta, target, horizon
        self.path, self.ranks = path, ranks
        self.readings = _read(path) if path and target is not None else []

    def get(self, rollout: int) -> float:
        """The weight of the rollout of this number.

        Raises:
            CheckpointError: the rollout before it is not in the file.
        """
        if self.target is None or rollout == 0:
            return self.beta
        known = {one.rollout: one.next_beta for one in self.readings}
        if rollout - 1 not in known:
            raise CheckpointError(
                f"{self.path}: no reading of rollout {rollout - 1}, which decides the weight of the"
                " next; resume from an earlier checkpoint, or start anew"
            )
        return known[rollout - 1]

    def note(self, rollout: int, *, kl: float, num_completions: int) -> None:
        """Take up how far the model was from its reference in a rollout; collective."""
        if self.target is None:
            return
        beta = self.get(rollout)
        error = max(-MAX_ERROR, min(MAX_ERROR, kl / self.target - 1))
        following = beta * (1 + error * num_completions / self.horizon)
        before = [one for one in self.readings if one.rollout < rollout]
        self.readings = [*before, Reading(rollout, beta, kl, following)]
        if self.path and self.ranks.is_first:
            lines = "".join(f"{json.dumps(asdict(one))}\n" for one in self.readings)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(self.path, lines.encode())


def _read(path: Path) -> list[Reading]:
    if not path.is_file():
        return []
    try:
        lines = path.read_text("utf-8").splitlines()
        return [Reading(**json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{path}: not as this run wrote it ({error}); resume from an earlier checkpoint, or"
            " start anew"
        ) from error
