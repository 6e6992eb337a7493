"""An objective is read in one sitting: none of its files is longer than 200 lines."""

from pathlib import Path

import pytest

from assay.config.sections import objective

SOURCE = Path(objective.__file__).parents[2]
PLUMBING = {"chunks.py"}
"""The loop over chunks of logits that all losses share; no objective's own."""
TRAIN = [
    "answers",
    "completions",
    "credit",
    "distil",
    "kl_control",
    "on_policy",
    "policy",
    "preference",
    "rated",
    "reward",
    "rollout_logprobs",
    "rollout_rows",
    "rollouts",
    "sampled",
    "sft",
    "sorted_pairs",
    "writer",
]
SECTIONS = ["distil", "learned", "objective", "pairs", "reinforcement", "rollouts"]
FILES = [
    *(path for path in sorted(SOURCE.glob("losses/*.py")) if path.name not in PLUMBING),
    *(SOURCE / "train" / f"{name}.py" for name in TRAIN),
    *(SOURCE / "config" / "sections" / f"{name}.py" for name in SECTIONS),
]


@pytest.mark.parametrize("path", FILES, ids=[f"{one.parent.name}-{one.stem}" for one in FILES])
def test_no_file_of_an_objective_is_longer_than_200_lines(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 200
