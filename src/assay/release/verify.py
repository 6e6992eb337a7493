"""Is a release folder, byte for byte, what its signer signed? Trusts nothing in the folder.

Without a key the signature proves that the folder is whole and names its signer; only a key that
came by another way proves who that is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.errors import ReleaseError
from assay.release.envelope import Envelope, parse_envelope
from assay.release.keys import PublicKey, load_public_key
from assay.release.manifest import FORMAT, SIGNED_PAIR, FileEntry, find_files, hash_file
from assay.runs.values import mapping, number, sequence, text


@dataclass(frozen=True)
class FileProblem:
    """One thing wrong: `kind` is signature, signer, manifest, changed, missing, extra or odd."""

    path: str
    kind: str
    detail: str


@dataclass(frozen=True)
class Verification:
    """What verifying a folder found.

    `signer` is None when the signature file could not be read. `signer_checked` says that a key
    was given to compare the signer with. `outside` counts the files, by folder or name, that the
    signature does not cover and that are therefore not checked. `overrides` are reasons for which
    a held run was released.
    """

    folder: Path
    signer: PublicKey | None
    signer_checked: bool
    problems: list[FileProblem]
    num_files: int = 0
    num_bytes: int = 0
    run_id: str = ""
    created: str = ""
    status: str = ""
    overrides: list[dict[str, Any]] = field(default_factory=list)
    outside: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify_release(folder: Path | str, *, key_file: Path | None = None) -> Verification:
    """Check the signature, the signer (against `key_file`: PEM, public or private) and every file.

    Raises:
        ReleaseError: the folder holds no signed release.
        UsageError: `key_file` holds no Ed25519 key.
    """
    folder = Path(folder)
    wanted = load_public_key(key_file) if key_file is not None else None
    payload, content = _read(folder / "release.json"), _read(folder / "release.json.sig")
    try:
        envelope = parse_envelope(content)
    except ReleaseError as error:
        problem = FileProblem("release.json.sig", "signature", str(error))
        return Verification(folder, None, wanted is not None, [problem])
    if not envelope.covers(payload):
        detail = "the signature does not fit release.json: one of the two was changed"
        problem = FileProblem("release.json.sig", "signature", detail)
        return Verification(folder, envelope.signer, wanted is not None, [problem])
    return _verify_signed(folder, payload, envelope, wanted)


def _verify_signed(
    folder: Path, payload: bytes, envelope: Envelope, wanted: PublicKey | None
) -> Verification:
    manifest = _parse_manifest(payload)
    entries = [_parse_entry(mapping(entry)) for entry in sequence(manifest.get("files"))]
    found = find_files(folder)
    problems = [
        *_signer_problems(envelope.signer, wanted),
        *_manifest_problems(manifest, envelope.signer),
        *(FileProblem(name, "odd", f"{why}, not signed") for name, why in found.odd.items()),
        *_file_problems(folder, entries, found.covered),
    ]
    return Verification(
        folder=folder,
        signer=envelope.signer,
        signer_checked=wanted is not None,
        problems=problems,
        num_files=len(entries),
        num_bytes=sum(entry.size_bytes for entry in entries),
        run_id=text(mapping(manifest.get("run")).get("id")),
        created=text(manifest.get("created")),
        status=text(mapping(manifest.get("verdict")).get("status")),
        overrides=[mapping(entry) for entry in sequence(manifest.get("overrides"))],
        outside={name: n for name, n in found.outside.items() if name not in SIGNED_PAIR},
    )


def _parse_manifest(payload: bytes) -> dict[str, Any]:
    try:
        return mapping(json.loads(payload))
    except (ValueError, RecursionError):
        return {}


def _parse_entry(entry: dict[str, Any]) -> FileEntry:
    size = number(entry.get("size_bytes"))
    return FileEntry(text(entry.get("path")), text(entry.get("sha256")), int(size or 0))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ReleaseError(f"{path.parent}: not a signed release (no {path.name})") from error


def _signer_problems(signer: PublicKey, wanted: PublicKey | None) -> list[FileProblem]:
    if wanted is None or wanted == signer:
        return []
    detail = f"signed by {signer.fingerprint}, but only {wanted.fingerprint} is accepted"
    return [FileProblem("release.json.sig", "signer", detail)]


def _manifest_problems(manifest: dict[str, Any], signer: PublicKey) -> list[FileProblem]:
    found = []
    if manifest.get("format") != FORMAT:
        found.append(f"format {manifest.get('format')!r} is not {FORMAT!r}")
    if manifest.get("signer") != signer.key_id:
        found.append("it names another signer than its signature")
    status = mapping(manifest.get("verdict")).get("status")
    if status != "released" and not sequence(manifest.get("overrides")):
        found.append("the run was held and no override is written down")
    return [FileProblem("release.json", "manifest", detail) for detail in found]


def _file_problems(folder: Path, entries: list[FileEntry], names: list[str]) -> list[FileProblem]:
    signed = {entry.path: entry for entry in entries}
    present = [name for name in names if name in signed]
    problems = [
        FileProblem(name, "missing", "signed, but not there")
        for name in sorted(set(signed) - set(names))
    ]
    for name in present:
        problems += _compare(folder, signed[name])
    extra = sorted(set(names) - set(signed))
    return problems + [FileProblem(name, "extra", "there, but not signed") for name in extra]


def _compare(folder: Path, signed: FileEntry) -> list[FileProblem]:
    try:
        found = hash_file(folder, signed.path)
    except OSError as error:
        return [FileProblem(signed.path, "odd", f"cannot be read: {error.strerror}")]
    if found == signed:
        return []
    return [FileProblem(signed.path, "changed", _change(signed, found))]


def _change(signed: FileEntry, found: FileEntry) -> str:
    if signed.size_bytes != found.size_bytes:
        return f"{found.size_bytes} bytes, {signed.size_bytes} were signed"
    return f"SHA-256 {found.sha256[:12]}…, {signed.sha256[:12]}… was signed"
