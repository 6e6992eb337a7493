"""A store on SQLite and on a real PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.runs.store import Store, open_store
from assay.runs.store.tables import metadata


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = request.getfixturevalue("postgres") if request.param == "postgres" else ""
    opened = open_store(tmp_path / "store", url)
    yield opened
    if not opened.is_sqlite:
        metadata.drop_all(opened.engine)
    opened.close()
