"""The store on SQLite and on a real PostgreSQL: keys, scopes, versions, and two that write."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from assay.errors import ConfigError, UsageError
from assay.runs.store import Store, add_key, find_key, list_keys, open_store, revoke_key
from assay.runs.store.keys import spend_tokens
from assay.runs.store.tables import keys, versions


def test_a_key_is_found_by_its_secret_and_kept_as_a_hash(store: Store) -> None:
    key, secret = add_key(store, "ci", ["train", "infer"], project="proj_a", expires_in_s=60)
    found = find_key(store, secret)
    assert found == key
    assert found.allows("train") and found.allows("infer") and not found.allows("admin")
    assert not found.is_expired(found.created_at) and found.is_expired(found.created_at + 61)
    assert find_key(store, secret[:-1]) is None
    with store.read() as connection:
        stored = [str(value) for row in connection.execute(select(keys)) for value in row]
    assert not any(secret in value for value in stored)


def test_admin_may_do_all_and_a_revoked_key_nothing(store: Store) -> None:
    key, secret = add_key(store, "root", ["admin"])
    assert all(key.allows(scope) for scope in ("admin", "train", "infer"))
    assert revoke_key(store, key.id)
    assert not revoke_key(store, key.id)
    assert find_key(store, secret) is None
    assert [one.id for one in list_keys(store)] == [key.id]


def test_a_secret_that_is_brought_again_is_the_same_key(store: Store) -> None:
    first, _ = add_key(store, "env", ["admin"], secret="a-secret-of-mine-0123")
    again, _ = add_key(store, "env", ["admin"], secret="a-secret-of-mine-0123")
    assert first == again
    assert len(list_keys(store)) == 1


def test_unknown_scopes_and_short_secrets_are_told_together(store: Store) -> None:
    with pytest.raises(UsageError) as caught:
        add_key(store, "x", ["owner", "god"], secret="short")
    assert [one.key for one in caught.value.problems] == ["scopes", "scopes", "key"]


def test_tokens_of_many_writers_add_up(store: Store) -> None:
    key, secret = add_key(store, "x", ["infer"])

    def spend() -> None:
        for _ in range(10):
            spend_tokens(store, key.id, 7)

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = find_key(store, secret)
    assert found is not None and found.tokens_used == 280


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    key, secret = add_key(store, "x", ["infer"])
    with pytest.raises(ZeroDivisionError), store.write() as connection:
        connection.execute(update(keys).values(name="changed"))
        _ = 1 / 0
    found = find_key(store, secret)
    assert found is not None and found.name == key.name


def test_a_store_opens_again_and_one_of_another_version_does_not(
    store: Store, tmp_path: Path
) -> None:
    url = "" if store.is_sqlite else store.engine.url.render_as_string(hide_password=False)
    open_store(store.folder, url).close()
    with store.write() as connection:
        connection.execute(update(versions).values(version=99))
    with pytest.raises(ConfigError, match="version 99"):
        open_store(store.folder, url)


def test_sqlite_writes_ahead_of_itself_and_to_disk(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.read() as connection:
        assert connection.execute(text("pragma journal_mode")).scalar() == "wal"
        assert connection.execute(text("pragma synchronous")).scalar() == 2
        assert connection.execute(text("pragma foreign_keys")).scalar() == 1
    store.close()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://host/name", "a database of mysql"),
        ("nonsense", "no URL"),
        ("postgresql://127.0.0.1:1/none", "cannot be opened"),
        ("postgresql://u:secret-word@127.0.0.1:1/none", "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_used_is_named(tmp_path: Path, url: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        open_store(tmp_path, url)
    assert "secret-word" not in str(caught.value)
