"""A store on SQLite and on a real PostgreSQL, which the tests start."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.runs.store import Store, open_store
from assay.runs.store.tables import metadata


def _find_postgres_user() -> str | None:
    """Whom the server runs as, since it refuses root; "" for oneself, None where nobody will do."""
    if os.geteuid():
        return ""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty database of a server that was started for these tests."""
    user = _find_postgres_user()
    if not all(map(shutil.which, ("initdb", "pg_ctl"))) or user is None:
        pytest.skip("PostgreSQL (initdb, pg_ctl) is not on this machine, or nobody may run it")
    pytest.importorskip("psycopg")
    folder = Path(tmp_path_factory.mktemp("postgres"))
    # A folder of root's is closed to others, and so are those above it.
    home = Path("/tmp") / f"assay-postgres-{os.getpid()}" if user else folder
    home.mkdir(exist_ok=True)
    as_user = ["runuser", "-u", user, "--"] if user else []
    if user:
        shutil.chown(home, user)
    data = home / "data"

    def run(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, capture_output=True, cwd="/", timeout=60)

    run("initdb", "-D", str(data), "-U", "assay", "-A", "trust", "--no-sync")
    options = f"-k {home} -c listen_addresses= -c fsync=off"
    run("pg_ctl", "-D", str(data), "-o", options, "-w", "-l", str(home / "log"), "start")
    try:
        yield f"postgresql://assay@/postgres?host={home}"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = request.getfixturevalue("postgres") if request.param == "postgres" else ""
    opened = open_store(tmp_path / "store", url)
    yield opened
    if not opened.is_sqlite:
        metadata.drop_all(opened.engine)
    opened.close()
