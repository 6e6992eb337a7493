"""Rows of Parquet files and Hub datasets, located by row number; knows no data format.

Both store rows of one schema, so a field that a row does not have comes back as null: rows are
marked `columnar`, and nulls inside messages and tools are dropped later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from assay.data.records import Row
from assay.errors import DataError, Problem

_BATCH_ROWS = 1024
_COMMIT = re.compile(r"@([0-9a-f]{40})(?:/|$)")


@dataclass(frozen=True)
class HubDataset:
    """Rows of one split of a Hub dataset; `revision` is the commit that was read, where known."""

    rows: Iterator[Row]
    label: str
    revision: str | None


def read_parquet(stream: BinaryIO, file: str) -> Iterator[Row | Problem]:
    """Every row, in order; `line` is the row number from 1.

    Raises:
        DataError: the file is not Parquet, or is damaged.
    """
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        for batch in parquet.ParquetFile(stream).iter_batches(batch_size=_BATCH_ROWS):
            for fields in batch.to_pylist():
                number += 1
                yield Row(fields, file, number, columnar=True)
    except pyarrow.ArrowException as error:
        raise DataError(
            Problem(
                f"a Parquet file that cannot be read: {error}",
                "a whole Parquet file",
                "write the file again",
                file=file,
            )
        ) from error


def load_hub_dataset(
    path: str, *, revision: str | None, split: str, name: str | None
) -> HubDataset:
    """One split of a dataset by Hub id (or a local dataset folder), in its own order.

    `datasets` keeps its cache where HF_HOME says, and HF_HUB_OFFLINE and HF_TOKEN apply. Datasets
    that need their own Python code are refused by `datasets` itself.

    Raises:
        DataError: `datasets` is not installed, or the dataset, split or name cannot be loaded.
    """
    label = f"{path}[{split}]"
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            Problem(
                "a Hub dataset, but `datasets` is not installed",
                do="pip install datasets, or download the file and name it",
                file=label,
            )
        ) from error
    try:
        loaded = datasets.load_dataset(path, name=name, split=split, revision=revision)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            Problem(
                f"a dataset that cannot be loaded: {_first_line(error)}",
                "a public Hub dataset (or a private one with HF_TOKEN), its split and name",
                "correct path, split, name or revision; or download the file and name it",
                file=label,
            )
        ) from error
    return HubDataset(_iterate(loaded, label), label, find_commit(loaded))


def _iterate(dataset: Any, label: str) -> Iterator[Row]:
    for number, fields in enumerate(dataset, start=1):
        yield Row(dict(fields), label, number, columnar=True)


def find_commit(dataset: Any) -> str | None:
    """The commit that a dataset came from: `datasets` keeps it in the download URLs alone."""
    urls = dataset.info.download_checksums or {}
    found = {match.group(1) for url in urls if (match := _COMMIT.search(str(url)))}
    return found.pop() if len(found) == 1 else None


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
