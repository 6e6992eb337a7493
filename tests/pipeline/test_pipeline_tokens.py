"""The token sequences of a tuning come back from the disk as they were, or not at all."""

from pathlib import Path

import pytest

from assay.data import TokenSequence
from assay.errors import CheckpointError
from assay.pipeline.tokens import Sequences, read_sequences, store_sequences
from assay.runs import RunFolder


@pytest.fixture()
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path)
    folder.data.mkdir()
    return folder


def make_sequence(number: int, *, is_anchored: bool = False) -> TokenSequence:
    ids, weights = list(range(number, 2 * number + 1)), [0.0, 1.0, 0.3, 1 / 3]
    mask = [weights[i % 4] for i in range(len(ids))]
    return TokenSequence(ids, mask, f"r{number}", "chat", f"ü:{number}", is_anchored=is_anchored)


@pytest.mark.parametrize("num_validation", [0, 3])
def test_what_was_stored_is_read(run: RunFolder, num_validation: int) -> None:
    train = [make_sequence(n, is_anchored=n % 3 == 0) for n in range(1, 12)]
    validation = [make_sequence(100_000 + n) for n in range(num_validation)]
    stored = Sequences(train, validation, train[2:5])
    store_sequences(run, stored)
    found = read_sequences(run)
    assert found == stored
    assert [type(value) for value in found.train[0].input_ids] == [int, int]
    assert [type(value) for value in found.train[0].loss_mask] == [float, float]
    assert all(a is b for a, b in zip(found.comparable, found.train[2:5], strict=True))


def test_a_changed_file_is_not_read(run: RunFolder) -> None:
    store_sequences(run, Sequences([make_sequence(3)], [], []))
    path = run.data / "tokens.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(CheckpointError, match="not as this run wrote it"):
        read_sequences(run)
