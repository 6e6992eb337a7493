"""Whose signatures a server accepts: its own key's, which its workers sign with, and named ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.errors import Problem, UsageError
from assay.release import PublicKey, Verification, default_key_path, load_public_key


@dataclass(frozen=True)
class Trust:
    """Keys whose releases may be served; build it by `read_trust`.

    `with_own` accepts this user's own key, which may be made later than the server starts.
    """

    named: tuple[PublicKey, ...] = ()
    with_own: bool = True

    def find_fault(self, found: Verification) -> str:
        """Why a release that verifies may not be served all the same; "" where it may."""
        signer = found.signer
        if signer is None:
            return "it has no signer"
        if signer in self.named or (self.with_own and signer == _find_own()):
            return ""
        return f"it was signed by {signer.fingerprint}, whom this server does not trust"


def _find_own() -> PublicKey | None:
    path = default_key_path()
    return load_public_key(path) if path.is_file() else None


def read_trust(files: Sequence[str]) -> Trust:
    """The server's own key, and those of PEM files.

    Raises:
        UsageError: files that hold no key, all of them.
    """
    named, problems = [], []
    for name in files:
        try:
            named.append(load_public_key(Path(name)))
        except UsageError as error:
            problems += [Problem(str(error), key="--trust")]
    if problems:
        raise UsageError(problems)
    return Trust(tuple(named))
