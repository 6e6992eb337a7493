"""The local Ed25519 key that signs releases; knows nothing of what is signed.

The key is made on first use in ``$ASSAY_HOME/keys/release.ed25519``, or without that variable in
``~/.config/assay/keys/release.ed25519``: PEM, PKCS#8, not encrypted, readable by its owner alone.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from assay.errors import ReleaseError, UsageError
from assay.runs.hashes import sha256_bytes

KEY_NAME = "release.ed25519"


@dataclass(frozen=True)
class PublicKey:
    """Who signed: 32 raw bytes of an Ed25519 public key."""

    raw: bytes

    @property
    def key_id(self) -> str:
        """SHA-256 of the raw key as 64 hex digits."""
        return sha256_bytes(self.raw)

    @property
    def fingerprint(self) -> str:
        """The key id in 16 groups of 4, to be compared by eye."""
        return format_fingerprint(self.key_id)

    @property
    def pem(self) -> str:
        """The key as SubjectPublicKeyInfo PEM, which openssl reads."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key().public_bytes(serialization.Encoding.PEM, form).decode("ascii")

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` (64 bytes) is this key's over `message`."""
        try:
            self._key().verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def _key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.raw)


@dataclass(frozen=True)
class SigningKey:
    """A private key and where it lies."""

    private: Ed25519PrivateKey
    path: Path

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return PublicKey(self.private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature over `message`."""
        return self.private.sign(message)


def format_fingerprint(key_id: str) -> str:
    """Print a key id of 64 hex digits in 16 groups of 4."""
    return " ".join(key_id[start : start + 4] for start in range(0, len(key_id), 4))


def default_key_path() -> Path:
    """Where the key of this user lies, whether it is there or not."""
    home = os.environ.get("ASSAY_HOME")
    folder = Path(home) if home else Path.home() / ".config" / "assay"
    return folder / "keys" / KEY_NAME


def load_or_make_key(path: Path | None = None) -> SigningKey:
    """Load the signing key, making it (0600, in a folder of 0700) when there is none.

    Raises:
        ReleaseError: the file is no Ed25519 private key, others may read it, or it can be neither
            read nor made.
    """
    path = path or default_key_path()
    try:
        if not path.exists():
            _make_key(path)
        _refuse_open_mode(path)
        key = _load(path)
    except OSError as error:
        raise ReleaseError(
            f"{path}: the signing key can be neither read nor made ({error.strerror}); make the"
            " folder writable, or name another in ASSAY_HOME"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ReleaseError(f"{path}: not an Ed25519 private key; move it away to have one made")
    return SigningKey(key, path)


def load_public_key(path: Path) -> PublicKey:
    """Load the public half of a PEM file that holds a public or a private Ed25519 key.

    Raises:
        UsageError: the file is missing or holds no Ed25519 key.
    """
    key = _load(path) if path.is_file() else None
    if isinstance(key, Ed25519PrivateKey):
        key = key.public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(
            f"{path}: no Ed25519 key in PEM form (`assay release key --export` makes one)"
        )
    return PublicKey(key.public_bytes_raw())


def _load(path: Path) -> object:
    content = path.read_bytes()
    try:
        return serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        pass
    try:
        return serialization.load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        return None


def _make_key(path: Path) -> None:
    if not path.parent.is_dir():
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
    content = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        _write_private(scratch, content)
        _put_in_place(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def _put_in_place(scratch: Path, path: Path) -> None:
    """Give `scratch` its name. Of two processes that make the first key, one wins, for both."""
    with suppress(FileExistsError):
        try:
            os.link(scratch, path)
        except OSError:
            # No hard links here, as on some network drives: the first to open the file wins.
            _write_private(path, scratch.read_bytes())


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that was not there before, readable by its owner alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _refuse_open_mode(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        raise ReleaseError(
            f"{path}: others may read this signing key (mode {mode:04o}); run: chmod 600 {path}"
        )
