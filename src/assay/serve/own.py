"""Requests of the server's own: in the name of a key, without its secret, and in a lane apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fastapi import Request


@dataclass(frozen=True)
class OwnRequest:
    """In whose name the server asks itself. No client can say so: it stands beside the headers."""

    key_id: str
    NAME: ClassVar[str] = "assay_own"


def find_own(request: Request) -> OwnRequest | None:
    """Whose the request is where the server made it itself; None for one that came in."""
    found = request.scope.get("state", {}).get(OwnRequest.NAME)
    return found if isinstance(found, OwnRequest) else None


def choose_lane(request: Request, key_id: str) -> str:
    """Under which name a request waits for its turn: its key's, or that of the key's batches."""
    return key_id if find_own(request) is None else f"batch {key_id}"
