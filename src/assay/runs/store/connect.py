"""Opens the store: SQLite in WAL mode in a folder, or PostgreSQL by URL; makes its tables once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from assay.errors import ConfigError, Problem
from assay.runs.store.tables import SCHEMA_VERSION, metadata, versions

DATABASE_NAME = "store.db"
BUSY_S = 30.0
"""How long SQLite waits for another writer; a transaction here lasts milliseconds."""
_WRITES = "assay_writes"


@dataclass(frozen=True)
class Store:
    """The tables behind an engine, and the folder in which files and jobs lie."""

    engine: Engine
    folder: Path

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: it waits for no writer."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: whole or not at all; on SQLite one at a time."""
        with self.engine.execution_options(**{_WRITES: True}).begin() as connection:
            yield connection

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def now(self, connection: Connection) -> float:
        """Seconds since 1970 by the one clock that all workers of this store share."""
        if self.is_sqlite:
            return time.time()
        value = connection.execute(text("select extract(epoch from clock_timestamp())")).scalar()
        return float(str(value))

    def lock(self, connection: Connection, name: str) -> None:
        """Wait for whoever else writes under `name`, until this transaction ends.

        SQLite has one writer at a time anyway.
        """
        if not self.is_sqlite:
            locking = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
            connection.execute(locking, {"name": name})

    def close(self) -> None:
        self.engine.dispose()


def open_store(folder: Path | str, database: str = "") -> Store:
    """The store in `folder`; its tables are made where they are not there yet.

    Args:
        database: an SQLAlchemy URL (``postgresql://user@host/name``); SQLite in the folder without.

    Raises:
        ConfigError: a URL that cannot be used, a database that does not answer, or one whose
            tables are of another version of Assay.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = _read_url(database or f"sqlite:///{folder / DATABASE_NAME}")
    try:
        # Values of a statement that fails would be in the log otherwise.
        engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        store = Store(engine, folder)
        _make_tables(store)
    except (DBAPIError, NoSuchModuleError, ModuleNotFoundError) as error:
        shown = make_url(url).render_as_string(hide_password=True)
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise ConfigError(
            Problem(
                got=f"{shown}, which cannot be opened ({reason})",
                allowed="a database that answers",
                do="start it, or correct the URL",
                key="database",
            )
        ) from error
    return store


def _read_url(given: str) -> str:
    """The URL with the driver that is installed; the password stays in it."""
    try:
        url = make_url(given)
    except ArgumentError as error:
        problem = Problem("no URL of a database", "sqlite:///FILE, postgresql://…", key="database")
        raise ConfigError(problem) from error
    kind = url.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise ConfigError(Problem(f"a database of {kind}", "sqlite, postgresql", key="database"))
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    return url.render_as_string(hide_password=False)


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        # The driver begins no transaction by itself then; `begin` below says of which kind.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {int(BUSY_S * 1000)}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            # What a user deletes is overwritten, and not left in free pages of the file.
            "secure_delete = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A reader that later writes could find that somebody else has written: it fails at once.
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _make_tables(store: Store) -> None:
    with store.write() as connection:
        store.lock(connection, "assay schema")
        metadata.create_all(connection)
        found = connection.execute(select(versions.c.version)).scalar()
        if found is None:
            connection.execute(insert(versions).values(version=SCHEMA_VERSION))
    if found not in (None, SCHEMA_VERSION):
        raise ConfigError(
            Problem(
                got=f"a store of version {found}",
                allowed=f"version {SCHEMA_VERSION}",
                do="open it with the Assay that made it, or name another store",
                key="store",
            )
        )
