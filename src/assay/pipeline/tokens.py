"""The token sequences of a tuning on disk: rendered once, read by every process that trains."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from assay.data import TokenSequence
from assay.errors import CheckpointError
from assay.pipeline.prepare import Prepared
from assay.runs import RunFolder, read_json, sha256_file, write_bytes
from assay.runs.values import dig

COLUMNS = ("record_id", "kind", "place", "is_anchored", "input_ids", "loss_mask")


@dataclass(frozen=True)
class Sequences:
    """What is learned from, and what losses are measured on beside it.

    `comparable` are training rows, as many as and of the kind of those in `validation`.
    """

    train: list[TokenSequence]
    validation: list[TokenSequence]
    comparable: list[TokenSequence]


def select_sequences(prepared: Prepared) -> Sequences:
    """The sequences of the rows that train and validate.

    Rows of a source with another role than the task are of another kind: their loss would say
    nothing about overfitting.
    """
    of_task = {record.id for record in prepared.train if record.role == "task"}
    train, validation = prepared.train_sequences, prepared.validation_sequences
    alike = [s for s in train if s.record_id in of_task] or train
    return Sequences(train, validation, alike[: max(64, len(validation))])


def store_sequences(run: RunFolder, sequences: Sequences) -> None:
    """Write them into the run's data folder, and their hash into its manifest.

    Raises:
        ResourceError: the disk is full.
    """
    import pyarrow
    from pyarrow import parquet

    comparable = {id(sequence) for sequence in sequences.comparable}
    rows = [
        {name: getattr(sequence, name) for name in COLUMNS}
        | {"split": split, "is_comparable": id(sequence) in comparable}
        for split, part in (("train", sequences.train), ("validation", sequences.validation))
        for sequence in part
    ]
    buffer = BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), buffer, compression="zstd")
    write_bytes(_file(run), buffer.getvalue())
    run.update_manifest({"tokens": {"sha256": sha256_file(_file(run))}})


def has_sequences(run: RunFolder) -> bool:
    """Whether the run's sequences are on disk, whole and as they were written."""
    known = dig(read_json(run.manifest), "tokens", "sha256")
    return known is not None and _file(run).is_file() and sha256_file(_file(run)) == known


def read_sequences(run: RunFolder) -> Sequences:
    """What `store_sequences` wrote.

    Raises:
        CheckpointError: the file is missing or was changed.
    """
    if not has_sequences(run):
        raise CheckpointError(
            f"{_file(run)}: missing, or not as this run wrote it; remove it, and start"
            " the processes again"
        )
    from pyarrow import parquet

    rows = parquet.read_table(_file(run)).to_pylist()
    train = [_build(row) for row in rows if row["split"] == "train"]
    flags = [row["is_comparable"] for row in rows if row["split"] == "train"]
    return Sequences(
        train,
        [_build(row) for row in rows if row["split"] == "validation"],
        [sequence for sequence, flag in zip(train, flags, strict=True) if flag],
    )


def _file(run: RunFolder) -> Path:
    return run.data / "tokens.parquet"


def _build(row: dict[str, Any]) -> TokenSequence:
    return TokenSequence(**{name: row[name] for name in COLUMNS})
