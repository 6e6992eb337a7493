"""Versions of a data set on disk: each by its hash, with its parent and the plan between them.

DIR/current                       id of the version that is read
DIR/log.jsonl                     what was done when
DIR/versions/<id>/version.json    id, parent, content hash, counts, how it was made
DIR/versions/<id>/rows.parquet    the rows, as `assay.data.stored` has them
DIR/versions/<id>/plan.jsonl      what was done to the parent's rows
DIR/versions/<id>/README.md       the data card

The first version is the files themselves: it holds their names and hashes, and no rows.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.data.records import Record, compute_content_hash
from assay.data.stored import iterate_records, write_records
from assay.errors import DataError, Problem
from assay.runs import sha256_file, write_json, write_text
from assay.runs.atomic import read_json
from assay.runs.metrics import append_line

CURRENT = "current"
ROWS = "rows.parquet"
PLAN = "plan.jsonl"
MASKS = "masks.bin"
ID_LENGTH = 12


@dataclass(frozen=True)
class Version:
    """One version; `sources` are the settings of the first version's sources, as in a recipe.

    `content` is the SHA-256 of the rows' content hashes, in order; `made` says how: import,
    curate or erase, with counts.
    """

    id: str
    parent: str | None
    content: str
    num_rows: int
    made: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    sources: list[dict[str, Any]] = field(default_factory=list)
    base_dir: str = ""
    file_sha256: str = ""


@dataclass(frozen=True)
class VersionStore:
    """The versions in one folder."""

    path: Path

    @classmethod
    def is_store(cls, path: Path) -> bool:
        """Whether versions lie there."""
        return (path / CURRENT).is_file() and (path / "versions").is_dir()

    @classmethod
    def open(cls, path: Path) -> VersionStore:
        """The store at `path`.

        Raises:
            DataError: no versions lie there.
        """
        if not cls.is_store(path):
            do = "name the folder that `assay data curate --out` wrote"
            raise DataError(Problem("no versions of data", "a version store", do, file=str(path)))
        return cls(path)

    def folder(self, version: str) -> Path:
        """Where a version lies."""
        return self.path / "versions" / version

    @property
    def current(self) -> Version:
        """The version that is read."""
        return self.load((self.path / CURRENT).read_text("utf-8").strip())

    def load(self, version: str) -> Version:
        """A version by its id or a start of it.

        Raises:
            DataError: there is none, or several.
        """
        folders = sorted(self.folder("").iterdir()) if self.folder("").is_dir() else []
        found = [one.name for one in folders if version and one.name.startswith(version)]
        if len(found) != 1:
            known = ", ".join(one.name for one in folders)
            problem = Problem(f"version {version!r}", f"one of {known}", file=str(self.path))
            raise DataError(problem)
        return Version(**read_json(self.folder(found[0]) / "version.json"))

    def list(self) -> list[Version]:
        """All versions, the first one first."""
        log = [json.loads(line) for line in (self.path / "log.jsonl").open(encoding="utf-8")]
        order = list(dict.fromkeys(entry["version"] for entry in log))
        return [self.load(one) for one in order if self.folder(one).is_dir()]

    def records(self, version: Version) -> Iterator[Record]:
        """The rows of a version that holds rows, in order."""
        return iterate_records(self.folder(version.id) / ROWS)

    def start(
        self, sources: Sequence[dict[str, Any]], files: Sequence[Path], base: Path
    ) -> Version:
        """The first version: the files as they are. Nothing is copied.

        Raises:
            ResourceError: the disk is full.
        """
        hashes = {str(path): sha256_file(path) for path in files}
        content = hashlib.sha256("\n".join(hashes.values()).encode()).hexdigest()
        version = Version(
            content[:ID_LENGTH],
            None,
            content,
            0,
            {"how": "import"},
            files=hashes,
            sources=list(sources),
            base_dir=str(base),
        )
        self._publish(version)
        return version

    def add(
        self,
        records: Iterable[Record],
        *,
        parent: Version,
        made: dict[str, Any],
        plan: Path | None = None,
        masks: bytes | None = None,
    ) -> Version:
        """Write a new version and make it the current one; the parent stays.

        Raises:
            ResourceError: the disk is full; nothing has changed then.
        """
        work = self.path / "unfinished"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        content = hashlib.sha256()
        num_rows = write_records(work / ROWS, _hashed(records, content))
        digest = hashlib.sha256(f"{content.hexdigest()}\n{parent.id}".encode())
        if plan is not None:
            shutil.copyfile(plan, work / PLAN)
            digest.update(sha256_file(plan).encode())
        if masks is not None:
            (work / MASKS).write_bytes(masks)
        version = Version(
            digest.hexdigest()[:ID_LENGTH],
            parent.id,
            content.hexdigest(),
            num_rows,
            made,
            file_sha256=sha256_file(work / ROWS),
        )
        target = self.folder(version.id)
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        work.rename(target)
        self._publish(version)
        return version

    def _publish(self, version: Version) -> None:
        folder = self.folder(version.id)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "version.json", asdict(version))
        self.point_at(version, how=version.made["how"])

    def point_at(self, version: Version, *, how: str) -> None:
        """Make a version the current one, and note it in the log."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        append_line(self.path / "log.jsonl", {"at": now, "how": how, "version": version.id})
        write_text(self.path / CURRENT, version.id + "\n")

    def undo(self) -> Version:
        """Go back to the parent of the current version, and return it.

        Raises:
            DataError: the current version is the first, or the first's files have changed.
        """
        version = self.current
        if version.parent is None:
            do = "there is nothing to undo"
            problem = Problem("the first version", "a version that was made", do)
            raise DataError(problem)
        parent = self.load(version.parent)
        self.verify(parent)
        self.point_at(parent, how="undo")
        return parent

    def verify(self, version: Version) -> None:
        """Refuse a version whose bytes are not those that were written.

        Raises:
            DataError: every file that is missing or has changed.
        """
        wanted = {Path(name): digest for name, digest in version.files.items()}
        if version.parent is not None:
            wanted = {self.folder(version.id) / ROWS: version.file_sha256}
        problems = [
            Problem(
                "a file that has changed or is missing",
                f"the bytes of version {version.id} (SHA-256 {digest[:16]}…)",
                "restore it",
                file=str(path),
            )
            for path, digest in wanted.items()
            if not path.is_file() or sha256_file(path) != digest
        ]
        if problems:
            raise DataError(problems)


def _hashed(records: Iterable[Record], content: Any) -> Iterator[Record]:
    for record in records:
        content.update(compute_content_hash(record).encode())
        yield record
