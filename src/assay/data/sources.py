"""Finds and opens what a source names: file, folder, fsspec URL or Hub id; knows no data format.

A path is taken for a Hub id only where it looks like `owner/name`, has no known file ending, and
neither it nor a folder `owner` lies beside the recipe: a slip in a local path asks no network.
"""

from __future__ import annotations

import lzma
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import fsspec

from assay.data.columnar import HubDataset, load_hub_dataset, read_parquet
from assay.data.lines import (
    LineBlock,
    iterate_blocks,
    read_csv,
    read_json,
    read_jsonl,
    read_text,
)
from assay.data.records import Row
from assay.data.versions import ROWS, VersionStore
from assay.errors import DataError, Problem

if TYPE_CHECKING:
    from assay.config import SourceConfig

RowReader = Callable[[BinaryIO, str], Iterator[Row | Problem]]


def _read_tsv(stream: BinaryIO, file: str) -> Iterator[Row | Problem]:
    return read_csv(stream, file, delimiter="\t")


READERS: dict[str, RowReader] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": _read_tsv,
    ".parquet": read_parquet,
    ".txt": read_text,
}
COMPRESSIONS = frozenset({".gz", ".bz2", ".xz", ".zst"})
READABLE = ", ".join(READERS)
BLOCK_BYTES = 1 << 20

# Files of these names beside others are held-out splits, at an end of the name: dev.jsonl,
# gsm8k_test.jsonl.gz, test-00000-of-00001.parquet.
_SPLIT_WORDS = {
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "eval": "validation",
    "test": "test",
}
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Opened:
    """Rows of one source, in order, each a `Row` or the `Problem` of a row that cannot be read.

    `files` are names as printed in problems; `skipped` are files of a folder that no reader knows;
    `revision` is the commit of a Hub dataset, where it is known. `blocks`, where every file is
    JSON Lines, are the same rows as lines that nobody has read yet, with the names of their files.
    """

    rows: Iterator[Row | Problem]
    files: list[str]
    skipped: list[str]
    revision: str | None = None
    blocks: Iterator[tuple[str, LineBlock]] | None = None


def open_source(source: SourceConfig, *, base_dir: Path) -> Opened:
    """Open what `source.path` names; relative paths start at `base_dir`. Rows are read lazily.

    Raises:
        DataError: nothing is there, it cannot be opened, or no reader knows its ending. While the
            rows are iterated: the rest of a file cannot be read.
    """
    is_url = "://" in source.path
    target = source.path if is_url else os.fspath(base_dir / Path(source.path).expanduser())
    shown = source.path if is_url else _shown(target)
    if _looks_like_hub_id(source.path, target):
        return _open_hub(source)
    filesystem, path = _find_filesystem(target, shown)
    with _located(shown):
        if not is_url and VersionStore.is_store(Path(target)):
            return _open_version(VersionStore(Path(target)))
        is_folder = filesystem.isdir(path)
        if not is_folder and not filesystem.exists(path):
            raise DataError(_missing(shown, base_dir))
        names = _list_folder(filesystem, path) if is_folder else [path]
    shown_names = [_join(shown, name) for name in names] if is_folder else [shown]
    pairs = list(zip(names, shown_names, strict=True))
    readable = [pair for pair in pairs if not is_folder or _ending(pair[0]) in READERS]
    if not readable:
        raise DataError(_nothing_readable(shown))
    _refuse_mixed_splits(shown, [label for _, label in readable] if is_folder else [])
    files = [(name, label, _reader(label)) for name, label in readable]
    is_lines = all(reader is read_jsonl for _, _, reader in files)
    return Opened(
        rows=_read_files(filesystem, files),
        files=[label for _, label in readable],
        skipped=[label for name, label in pairs if (name, label) not in readable],
        blocks=_read_blocks(filesystem, readable) if is_lines else None,
    )


def _open_version(store: VersionStore) -> Opened:
    """The current version; the first one is the files that it was made of, read as they are."""
    version = store.current
    if version.parent is not None:
        path = store.folder(version.id) / ROWS
        files = [(str(path), _shown(str(path)), _reader(str(path)))]
        local, _ = _find_filesystem(str(path), files[0][1])
        return Opened(_read_files(local, files), [files[0][1]], [])
    from assay.config import SourceConfig

    opened = [
        open_source(SourceConfig(**source), base_dir=Path(version.base_dir))
        for source in version.sources
    ]
    rows = (row for one in opened for row in one.rows)
    return Opened(rows, [file for one in opened for file in one.files], [])


def _shown(target: str) -> str:
    """The path as a user in the current folder would write it."""
    relative = os.path.relpath(target)
    return target if relative.startswith("..") else relative


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name.rstrip('/').rsplit('/', 1)[-1]}"


def _ending(name: str) -> str:
    stem, ending = os.path.splitext(name.lower())
    return os.path.splitext(stem)[1] if ending in COMPRESSIONS else ending


def _reader(name: str) -> RowReader:
    reader = READERS.get(_ending(name))
    if reader is None:
        raise DataError(
            Problem(
                f"a file ending in {_ending(name) or 'nothing'}",
                f"{READABLE} (also .gz, .bz2, .xz, .zst)",
                "convert or rename the file",
                file=name,
            )
        )
    return reader


def _looks_like_hub_id(path: str, target: str) -> bool:
    return (
        _HUB_ID.fullmatch(path) is not None
        and _ending(path) not in READERS
        and not os.path.exists(target)
        and not os.path.exists(os.path.dirname(target))
    )


def _open_hub(source: SourceConfig) -> Opened:
    dataset: HubDataset = load_hub_dataset(
        source.path, revision=source.revision, split=source.split, name=source.name
    )
    return Opened(dataset.rows, [dataset.label], [], dataset.revision)


def _missing(shown: str, base_dir: Path) -> Problem:
    here = base_dir.resolve() == Path.cwd()
    start = "the current folder" if here else f"the recipe's folder, {_shown(os.fspath(base_dir))}"
    return Problem(
        "no such file or folder",
        f"a file ending in {READABLE}, a folder, a URL such as s3://…, or a Hub id owner/name",
        f"correct the path; it is looked for from {start}",
        file=shown,
    )


def _nothing_readable(shown: str) -> Problem:
    return Problem(
        "a folder without readable files",
        f"files ending in {READABLE}",
        "name the folder that holds the files (subfolders are not searched)",
        file=shown,
    )


def _refuse_mixed_splits(folder: str, labels: list[str]) -> None:
    """Refuse a folder whose names say that rows to learn from and held-out rows lie side by side.

    A folder is read whole, so its held-out files would be trained on, or the others tested on.
    """
    names = [label.rsplit("/", 1)[-1] for label in labels]
    first = {_split_of(name): name for name in reversed(names)}
    if len(first) < 2:
        return
    files = " and ".join(name for name in names if name in first.values())
    raise DataError(
        Problem(
            f"a folder with files of several splits: {files}",
            "a folder whose files are all of one split, since it is read whole",
            "name the files: data.train: [folder/file, …], data.validation, data.test",
            file=folder,
        )
    )


def _split_of(name: str) -> str:
    """The split that a file's name begins or ends with, shard numbers apart; else train."""
    stem = name.lower().removesuffix(os.path.splitext(name.lower())[1])
    stem = stem.removesuffix(_ending(name))
    words = [word for word in re.split(r"[^a-z]+", stem) if word and word != "of"] or [""]
    return _SPLIT_WORDS.get(words[0], _SPLIT_WORDS.get(words[-1], "train"))


def _find_filesystem(target: str, shown: str) -> tuple[Any, str]:
    try:
        filesystem, path = fsspec.core.url_to_fs(target)
    except (ValueError, ImportError) as error:
        raise DataError(
            Problem(
                f"a URL that cannot be opened: {error}",
                "a protocol that fsspec knows",
                "install the package that fsspec names, or copy the file here",
                file=shown,
            )
        ) from error
    return filesystem, path


def _list_folder(filesystem: Any, path: str) -> list[str]:
    entries = filesystem.ls(path, detail=True)
    names = [entry["name"] for entry in entries if entry["type"] == "file"]
    return sorted(name for name in names if not name.rsplit("/", 1)[-1].startswith((".", "_")))


def _read_files(
    filesystem: Any, files: list[tuple[str, str, RowReader]]
) -> Iterator[Row | Problem]:
    for name, label, reader in files:
        _require_codec(label)
        with _located(label), filesystem.open(name, "rb", compression="infer") as stream:
            yield from reader(stream, label)


def _read_blocks(filesystem: Any, files: list[tuple[str, str]]) -> Iterator[tuple[str, LineBlock]]:
    for name, label in files:
        _require_codec(label)
        with _located(label), filesystem.open(name, "rb", compression="infer") as stream:
            for block in iterate_blocks(stream, size=BLOCK_BYTES):
                yield label, block


def _require_codec(file: str) -> None:
    """Refuse a compressed file whose codec is missing: fsspec would give its bytes as they are.

    `zstandard` alone is refused, too: a file that was cut off it reads as if it ended there.
    """
    if not file.lower().endswith(".zst"):
        return
    codec = fsspec.compression.compr.get("zstd")
    if codec is None or codec.__module__ == "fsspec.compression":
        raise DataError(
            Problem(
                "a .zst file, but `backports.zstd` is not installed",
                do="pip install backports.zstd, or decompress the file",
                file=file,
            )
        )


def _list_read_errors() -> tuple[type[Exception], ...]:
    """What file systems and decompressors raise; zstd is in the standard library from 3.14."""
    modules = [sys.modules.get(name) for name in ("compression.zstd", "backports.zstd")]
    zstd = [module.ZstdError for module in modules if module is not None]
    return (OSError, EOFError, zlib.error, lzma.LZMAError, *zstd)


@contextmanager
def _located(file: str) -> Iterator[None]:
    """Turn what a file system or a decompressor raises into a `DataError` that names the file."""
    try:
        yield
    except _list_read_errors() as error:
        raise DataError(
            Problem(
                f"a file that cannot be read: {error}",
                "a whole file that you may read",
                "check the file and its permissions",
                file=file,
            )
        ) from error
