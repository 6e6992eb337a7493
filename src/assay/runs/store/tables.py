"""The tables of the store, alike on SQLite and PostgreSQL; they know no HTTP and no model.

Every table that is listed has a counter `seq`, by which pages go on; what callers name a thing by
is its `id`. Times are seconds since 1970, as floats. JSON holds what nobody searches by.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 2
metadata = MetaData()


def _seq() -> Column[int]:
    # SQLite counts rows by this type alone.
    whole = BigInteger().with_variant(Integer, "sqlite")
    return Column("seq", whole, primary_key=True, autoincrement=True)


def _id() -> Column[str]:
    return Column("id", Text, nullable=False, unique=True)


def _json(name: str) -> Column[object]:
    return Column(name, JSON(none_as_null=True))


versions = Table("store_version", metadata, Column("version", Integer, primary_key=True))

keys = Table(
    "api_keys",
    metadata,
    _seq(),
    _id(),
    Column("name", Text, nullable=False),
    Column("secret_hash", Text, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Column("requests_per_minute", Integer),
    Column("token_budget", BigInteger),
    Column("tokens_used", BigInteger, nullable=False, default=0),
    sqlite_autoincrement=True,
)

files = Table(
    "files",
    metadata,
    _seq(),
    _id(),
    Column("project", Text, nullable=False, index=True),
    Column("filename", Text, nullable=False),
    Column("purpose", Text, nullable=False, index=True),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_details", Text),
    Column("num_rows", Integer),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    sqlite_autoincrement=True,
)

jobs = Table(
    "jobs",
    metadata,
    _seq(),
    _id(),
    Column("status", Text, nullable=False, index=True),
    Column("model", Text, nullable=False),
    Column("base", Text, nullable=False),
    Column("training_file", Text, nullable=False),
    Column("validation_file", Text),
    _json("request"),
    _json("method"),
    _json("hyperparameters"),
    Column("seed", BigInteger, nullable=False),
    Column("suffix", Text),
    _json("metadata"),
    _json("integrations"),
    _json("error"),
    _json("details"),
    _json("result_files"),
    Column("parent", Text),
    Column("fine_tuned_model", Text),
    Column("trained_tokens", BigInteger),
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("estimated_finish", Float),
    Column("priority", Integer, nullable=False, default=0),
    Column("num_attempts", Integer, nullable=False, default=0),
    Column("not_before", Float, nullable=False, default=0.0),
    Column("wanted", Text),
    Column("lease_owner", Text),
    Column("lease_token", Text),
    Column("lease_until", Float),
    Index("jobs_queue", "status", "priority", "seq"),
    sqlite_autoincrement=True,
)

job_metadata = Table(
    "job_metadata",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

events = Table(
    "job_events",
    metadata,
    _seq(),
    _id(),
    Column("job_id", Text, ForeignKey("jobs.id"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("level", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("message", Text, nullable=False),
    _json("data"),
    Column("once", Text),
    UniqueConstraint("job_id", "once"),
    sqlite_autoincrement=True,
)

models = Table(
    "models",
    metadata,
    _seq(),
    _id(),
    Column("base", Text, nullable=False),
    Column("job_id", Text, ForeignKey("jobs.id"), nullable=False, index=True),
    Column("checkpoint_id", Text, unique=True),
    Column("step", Integer),
    Column("folder", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("state", Text, nullable=False),
    _json("metrics"),
    Column("created_at", Float, nullable=False),
    sqlite_autoincrement=True,
)

permissions = Table(
    "checkpoint_permissions",
    metadata,
    _seq(),
    _id(),
    Column("checkpoint", Text, nullable=False, index=True),
    Column("project", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("checkpoint", "project"),
    sqlite_autoincrement=True,
)

creates = Table(
    "creates",
    metadata,
    _seq(),
    Column("fingerprint", Text, nullable=False, index=True),
    Column("resource", Text, nullable=False),
    Column("is_retry", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    sqlite_autoincrement=True,
)
