"""API keys: made once, kept as hashes, with scopes; it knows no request."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, update

from assay.errors import Problem, UsageError
from assay.runs.store.connect import Store
from assay.runs.store.ids import new_id
from assay.runs.store.tables import keys

SCOPES = ("admin", "train", "infer")
"""What a key may do; admin may do all."""
DEFAULT_PROJECT = "proj_default"
_PREFIX = "sk-assay-"
_SECRET_BYTES = 32
MIN_SECRET = 16
"""Characters of a secret that a user brings: it is kept as one round of SHA-256, which is enough
for what cannot be guessed, and for nothing else."""


@dataclass(frozen=True)
class Key:
    """A key without its secret; times in seconds since 1970, None where there is no limit."""

    id: str
    name: str
    hint: str
    scopes: frozenset[str]
    project: str
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    requests_per_minute: int | None
    token_budget: int | None
    tokens_used: int

    def allows(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes

    def is_expired(self, now_s: float) -> bool:
        return self.expires_at is not None and self.expires_at <= now_s


def add_key(
    store: Store,
    name: str,
    scopes: Sequence[str],
    *,
    secret: str = "",
    project: str = DEFAULT_PROJECT,
    expires_in_s: float | None = None,
    requests_per_minute: int | None = None,
    token_budget: int | None = None,
) -> tuple[Key, str]:
    """Make a key; the secret is given back this once and stored nowhere.

    Args:
        secret: one that the caller brings (a known one is found again, not doubled); else drawn.

    Raises:
        UsageError: scopes that are not known, or a secret that is too short.
    """
    unknown = sorted(set(scopes) - set(SCOPES))
    problems = [Problem(f"scope {one!r}", ", ".join(SCOPES), key="scopes") for one in unknown]
    if not scopes:
        problems.append(Problem("no scope", ", ".join(SCOPES), key="scopes"))
    if secret and len(secret) < MIN_SECRET:
        allowed = f"at least {MIN_SECRET} characters"
        problems.append(Problem(f"a key of {len(secret)} characters", allowed, key="key"))
    if problems:
        raise UsageError(problems)
    secret = secret or _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    with store.write() as connection:
        now_s = store.now(connection)
        known = connection.execute(
            select(keys).where(keys.c.secret_hash == hash_secret(secret))
        ).first()
        if known is not None:
            return _to_key(known), secret
        values = {
            "id": new_id("key_"),
            "name": name,
            "secret_hash": hash_secret(secret),
            "hint": f"{secret[:3]}…{secret[-4:]}",
            "scopes": " ".join(sorted(set(scopes))),
            "project": project,
            "created_at": now_s,
            "expires_at": None if expires_in_s is None else now_s + expires_in_s,
            "requests_per_minute": requests_per_minute,
            "token_budget": token_budget,
            "tokens_used": 0,
        }
        connection.execute(insert(keys).values(**values))
        row = connection.execute(select(keys).where(keys.c.id == values["id"])).one()
    return _to_key(row), secret


def find_key(store: Store, secret: str) -> Key | None:
    """The key of a secret, expired ones too; None where there is none or it was revoked."""
    with store.read() as connection:
        row = connection.execute(
            select(keys).where(keys.c.secret_hash == hash_secret(secret))
        ).first()
    return None if row is None or row.revoked_at is not None else _to_key(row)


def find_key_by_id(store: Store, key_id: str) -> Key | None:
    """The key of an id, expired ones too; None where there is none or it was revoked."""
    with store.read() as connection:
        row = connection.execute(select(keys).where(keys.c.id == key_id)).first()
    return None if row is None or row.revoked_at is not None else _to_key(row)


def list_keys(store: Store) -> list[Key]:
    """Every key, the oldest first."""
    with store.read() as connection:
        return [_to_key(row) for row in connection.execute(select(keys).order_by(keys.c.seq))]


def revoke_key(store: Store, key_id: str) -> bool:
    """Let a key open nothing any more; False where there is none of that id, or it was done."""
    with store.write() as connection:
        changed = connection.execute(
            update(keys)
            .where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
            .values(revoked_at=store.now(connection))
        )
    return changed.rowcount > 0


def spend_tokens(store: Store, key_id: str, count: int) -> None:
    """Count tokens that a key has used against its budget."""
    with store.write() as connection:
        connection.execute(
            update(keys).where(keys.c.id == key_id).values(tokens_used=keys.c.tokens_used + count)
        )


def hash_secret(secret: str) -> str:
    """SHA-256 of a secret: it has 256 bits of chance, so that slow hashing would add nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _to_key(row: Row[Any]) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        hint=row.hint,
        scopes=frozenset(row.scopes.split()),
        project=row.project,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        requests_per_minute=row.requests_per_minute,
        token_budget=row.token_budget,
        tokens_used=row.tokens_used,
    )
