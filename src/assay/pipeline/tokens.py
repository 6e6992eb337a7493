"""The token sequences of a tuning on disk: rendered once, read by every process that trains."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from assay.data import TokenSequence
from assay.data.arrows import build_table
from assay.data.asked import Asked
from assay.data.records import canonical_json
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
    from pyarrow import parquet

    comparable = {id(sequence) for sequence in sequences.comparable}
    rows = [*sequences.train, *sequences.validation]
    columns: dict[str, list[Any]] = {n: [getattr(row, n) for row in rows] for n in COLUMNS}
    for name in ("input_ids", "loss_mask"):
        columns[f"rejected_{name}"] = [getattr(row.rejected, name, []) for row in rows]
    columns["asked"] = [
        None if row.asked is None else canonical_json(asdict(row.asked)) for row in rows
    ]
    columns["steps"] = [_encode_steps(row) for row in rows]
    columns["rating"] = [-1 if row.is_wanted is None else int(row.is_wanted) for row in rows]
    columns["margin"] = [row.margin for row in rows]
    columns["split"] = ["train"] * len(sequences.train)
    columns["split"] += ["validation"] * len(sequences.validation)
    columns["is_comparable"] = [id(row) in comparable for row in rows]
    buffer = BytesIO()
    parquet.write_table(build_table(columns, _build_schema()), buffer, compression="zstd")
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

    table = parquet.read_table(_file(run)).cast(_build_schema())
    columns = [_read_column(table[name]) for name in COLUMNS]
    anchored = COLUMNS.index("is_anchored")
    columns[anchored] = list(map(bool, columns[anchored]))
    rejected = (_read_column(table[f"rejected_{name}"]) for name in ("input_ids", "loss_mask"))
    told = (table[name].to_pylist() for name in ("rating", "asked", "margin", "steps"))
    compared = zip(*rejected, *told, strict=True)
    rows = [
        _compare(TokenSequence(**dict(zip(COLUMNS, row, strict=True))), *others)
        for row, others in zip(zip(*columns, strict=True), compared, strict=True)
    ]
    num_train = table["split"].to_pylist().count("train")
    flags = table["is_comparable"].to_pylist()
    train = rows[:num_train]
    return Sequences(
        train,
        rows[num_train:],
        [row for row, flag in zip(train, flags[:num_train], strict=True) if flag],
    )


def _compare(
    sequence: TokenSequence,
    input_ids: list[int],
    loss_mask: list[float],
    rating: int,
    asked: str | None,
    margin: float,
    steps: str | None,
) -> TokenSequence:
    """The sequence with its rejected answer and margin, its rating, steps, or what is asked."""
    if steps is not None:
        labels, ends = json.loads(steps)
        own = tuple(replace(sequence, input_ids=ids, loss_mask=mask) for ids, mask in ends)
        return replace(sequence, step_labels=tuple(labels), steps=own)
    if asked is not None:
        given = json.loads(asked)
        told = Asked(tuple(given["messages"]), tuple(given["tools"]), given["item"])
        return replace(sequence, asked=told)
    if input_ids:
        other = replace(sequence, input_ids=input_ids, loss_mask=loss_mask)
        return replace(sequence, rejected=other, margin=margin)
    return sequence if rating < 0 else replace(sequence, is_wanted=bool(rating))


def _encode_steps(row: TokenSequence) -> str | None:
    """The labels of an answer's steps, and the sequences up to their ends; None without any."""
    if not row.step_labels:
        return None
    return json.dumps([row.step_labels, [[one.input_ids, one.loss_mask] for one in row.steps]])


def _file(run: RunFolder) -> Path:
    return run.data / "tokens.parquet"


def _build_schema() -> Any:
    import pyarrow as pa

    kinds = {"input_ids": pa.list_(pa.int32()), "loss_mask": pa.list_(pa.float64())}
    kinds |= {f"rejected_{name}": kind for name, kind in kinds.items()}
    flags = dict.fromkeys(("is_anchored", "rating", "is_comparable"), pa.int8())
    flags["margin"] = pa.float64()
    names = (
        *COLUMNS,
        "rejected_input_ids",
        "rejected_loss_mask",
        "rating",
        "asked",
        "margin",
        "steps",
        "split",
        "is_comparable",
    )
    return pa.schema([(name, (kinds | flags).get(name, pa.string())) for name in names])


def _read_column(column: Any) -> list[Any]:
    """The values of a column; those of lists are looked up, so that equal ones are one object."""
    import numpy as np
    from pyarrow import types

    whole = column.combine_chunks()
    if not types.is_list(whole.type):
        return list(whole.to_pylist())
    encoded = whole.flatten().dictionary_encode()
    known = np.array(encoded.dictionary.to_pylist(), dtype=object)
    indices, ends = encoded.indices.to_numpy(), whole.value_lengths().to_numpy().cumsum().tolist()
    starts = [0, *ends[:-1]]
    return [known[indices[a:b]].tolist() for a, b in zip(starts, ends, strict=True)]
