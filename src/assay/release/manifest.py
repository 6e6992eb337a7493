"""release.json: what is released, from what, and the hash of every file; signs nothing.

Covered is every file of the run folder: the adapter or model, recipe.yaml, manifest.json,
metrics.jsonl, data/, evaluation.json, evaluation/items.jsonl, verdict.json, tool-policy.yaml,
report.html, README.md, and whatever else lies there, so that no weights can hide behind a signature
that says nothing of them. `OUTSIDE` alone is not: checkpoints (in a sweep those of every
candidate), which are intermediate and may be removed later, the lock, and the signed pair itself.
An export lies beside the run folder (see `assay.pipeline.export`), or in it and covered if it was
made before the release.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.errors import ReleaseError
from assay.release.gates import Gate
from assay.runs import RunFolder, canonical_json, sha256_file
from assay.runs.blocked import read_blocked
from assay.runs.find import read_or_empty
from assay.runs.values import mapping, sequence

FORMAT = "assay-release/1"
SIGNED_PAIR = ("release.json", "release.json.sig")
OUTSIDE = ("checkpoints/", "sweep/*/checkpoints/", "run.lock", *SIGNED_PAIR)


@dataclass(frozen=True)
class FileEntry:
    """One covered file: its path within the run with forward slashes, SHA-256 and size."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class FoundFiles:
    """What lies in a release folder.

    `covered` are plain files; `odd` are links, devices and names that are not UTF-8, which a
    release may not hold, with the reason; `outside` counts files under each name of `OUTSIDE`.
    """

    covered: list[str]
    odd: dict[str, str]
    outside: dict[str, int]


def find_files(folder: Path) -> FoundFiles:
    """Sort every file under `folder` into covered, odd and outside."""
    found = FoundFiles([], {}, {})
    paths = {path.relative_to(folder).as_posix(): path for path in _walk(folder)}
    for name, path in sorted(paths.items()):
        outside = next((out for out in OUTSIDE if name == out or _is_under(name, out)), None)
        reason = _oddness(path, name)
        if outside is not None:
            found.outside[outside] = found.outside.get(outside, 0) + 1
        elif reason is not None:
            found.odd[_printable(name)] = reason
        else:
            found.covered.append(name)
    return found


def hash_file(folder: Path, name: str) -> FileEntry:
    """Hash the file `name` of `folder`."""
    return FileEntry(name, sha256_file(folder / name), (folder / name).stat().st_size)


def build_manifest(
    run: RunFolder,
    *,
    signer_key_id: str,
    gates: list[Gate],
    overrides: list[dict[str, Any]],
) -> dict[str, Any]:
    """Describe a run for signing: its origin, its verdict and every covered file.

    Raises:
        ReleaseError: the folder holds a link, a device or a name that is not UTF-8.
    """
    found = find_files(run.path)
    if found.odd:
        odd = "; ".join(f"{name}: {reason}" for name, reason in found.odd.items())
        raise ReleaseError(f"{run.path}: cannot be released with {odd}")
    known, verdict = read_or_empty(run.manifest), read_or_empty(run.verdict)
    entries = [hash_file(run.path, name) for name in found.covered]
    return {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "signer": signer_key_id,
        "run": {"id": run.id, "name": run.name, "created": known.get("created")},
        "recipe": run.recipe.read_text(encoding="utf-8"),
        "base": known.get("base"),
        "data": known.get("data"),
        "splits": _split_hashes(run),
        "template": known.get("template"),
        "seeds": known.get("seeds"),
        "blocked_prompts": read_blocked(run),
        "code": known.get("code"),
        "parents": sequence(known.get("parents")),
        "verdict": {"status": verdict.get("status"), "headline": verdict.get("headline")},
        "gates": [gate.as_dict() for gate in gates],
        "overrides": overrides,
        "files": [vars(entry) for entry in entries],
        "outside": list(OUTSIDE),
    }


def manifest_bytes(manifest: dict[str, Any]) -> bytes:
    """Write a manifest in its one spelling (canonical JSON): these bytes are signed."""
    return canonical_json(manifest)


def _split_hashes(run: RunFolder) -> dict[str, Any]:
    splits = mapping(read_or_empty(run.data_report).get("splits"))
    return {name: mapping(split).get("sha256") for name, split in splits.items()}


def _walk(folder: Path) -> Iterator[Path]:
    # os.walk follows no links but lists links to folders among the folders.
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in files)
        yield from (Path(parent, name) for name in folders if Path(parent, name).is_symlink())


def _is_under(name: str, outside: str) -> bool:
    """Whether a file lies in the folder `outside`, in which ``*`` stands for one folder's name."""
    if not outside.endswith("/"):
        return False
    folders, wanted = name.split("/")[:-1], outside.split("/")[:-1]
    pairs = zip(folders, wanted, strict=False)
    return len(folders) >= len(wanted) and all(want in (got, "*") for got, want in pairs)


def _oddness(path: Path, name: str) -> str | None:
    if path.is_symlink():
        return "a link"
    if not path.is_file():
        return "not a plain file"
    if not _is_utf8(name):
        return "a name that is not UTF-8"
    return None


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _printable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
