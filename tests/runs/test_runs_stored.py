"""Uploads, stored completions and batches in the store, alike on SQLite and PostgreSQL."""

import threading
from typing import Any

import pytest
from sqlalchemy import func, select

from assay.runs.store import Store
from assay.runs.store.batches import (
    add_result,
    batches,
    begin_batch,
    begin_finalizing,
    cancel_batch,
    claim_batch,
    end_batch,
    find_batch,
    insert_batch,
    iterate_results,
    list_done,
    renew_batch,
    results,
)
from assay.runs.store.completions import (
    KEPT,
    completions,
    feedback,
    find_completion,
    insert_completion,
    iterate_completions,
    list_completions,
    pairs,
    persons,
    update_metadata,
)
from assay.runs.store.feedback import insert_feedback
from assay.runs.store.files import delete_file, insert_file
from assay.runs.store.kept import delete_kept, sweep_kept
from assay.runs.store.uploads import (
    end_upload,
    find_upload,
    hold_upload,
    insert_part,
    insert_upload,
    list_parts,
    locate_part,
    sweep_uploads,
)


def count(store: Store, *tables: Any) -> int:
    with store.read() as connection:
        return sum(
            int(connection.execute(select(func.count()).select_from(table)).scalar_one())
            for table in tables
        )


def put_completion(store: Store, identity: str, **values: Any) -> None:
    given = {"project": "p", "key_id": "k", "metadata": None, "request": {}, **values}
    insert_completion(
        store, retention_s=100, id=identity, model="m", asked_model="a", response={}, **given
    )


def put_batch(store: Store, identity: str) -> None:
    with store.write() as connection:
        insert_batch(
            store,
            connection,
            id=identity,
            project="p",
            key_id="k",
            endpoint="/v1/embeddings",
            input_file_id=f"file-{identity}",
        )


def test_an_upload_ends_once_and_is_swept(store: Store) -> None:
    with store.write() as connection:
        for name in ("u1", "u2"):
            insert_upload(
                store, connection, id=name, project="p", filename="f", purpose="batch", bytes=3
            )
            insert_part(store, connection, id=f"part-{name}", upload_id=name, bytes=3)
    for name in ("u1", "u2"):
        locate_part(store, f"part-{name}").parent.mkdir(exist_ok=True)
        locate_part(store, f"part-{name}").write_bytes(b"abc")
    assert find_upload(store, "u1", "other") is None
    with store.write() as connection:
        assert hold_upload(store, connection, "u1")[1] == "pending"
        assert end_upload(connection, "u1", "completed", file_id="f") == ["part-u1"]
        assert hold_upload(store, connection, "u1")[1] == "completed"
    assert list_parts(store, "u1") == {} and list_parts(store, "u2") == {"part-u2": 3}
    with store.write() as connection:
        connection.exec_driver_sql("update uploads set expires_at = 0")
    sweep_uploads(store)
    found = find_upload(store, "u2", "p")
    assert found is not None and found.status == "expired"
    assert not locate_part(store, "part-u2").exists()


def test_completions_are_found_by_their_pairs_and_go_with_their_person(store: Store) -> None:
    put_completion(store, "c1", metadata={"a": "1", "user": "ann"})
    put_completion(store, "c2", metadata={"a": "1"}, request={"safety_identifier": "ann"})
    put_completion(store, "c3", metadata={"a": "2"}, request={"user": "ben"}, key_id="k2")
    put_completion(store, "c4", project="q")
    with store.write() as connection:
        for n, one in enumerate(("c1", "c3", "c3")):
            insert_feedback(
                store, connection, id=f"f{n}", completion_id=one, project="p", key_id="k", choice=0
            )

    def listed(**narrow: Any) -> list[str]:
        options: dict[str, Any] = {"after": None, "limit": 9, "newest_first": False, **narrow}
        page = list_completions(store, "p", **options)
        assert page is not None
        return [row.id for row in page.rows]

    assert listed(having={"a": "1"}) == ["c1", "c2"]
    assert listed(having={"a": "1", "user": "ann"}) == ["c1"]
    assert listed(model="a") == listed(model="m") == ["c1", "c2", "c3"]
    found = [(row.id, len(said)) for row, said in iterate_completions(store, "p", page=1)]
    assert found == [("c1", 1), ("c2", 0), ("c3", 2)]
    assert update_metadata(store, "c2", "q", {}) is None
    assert update_metadata(store, "c2", "p", {"a": "3"}) is not None
    assert listed(having={"a": "3"}) == ["c2"]
    with pytest.raises(ValueError, match="name an id"):
        delete_kept(store, KEPT, project="p")
    assert delete_kept(store, KEPT, person="ann", project="q") == 0
    assert delete_kept(store, KEPT, person="ann") == 2
    assert delete_kept(store, KEPT, key_id="k2") == 1
    assert count(store, pairs, persons, feedback) == 0
    with store.write() as connection:
        connection.execute(completions.update().values(expires_at=0.0))
    assert find_completion(store, "c4", "q") is None
    assert sweep_kept(store, KEPT) == 1 and count(store, completions) == 0


def test_a_batch_goes_from_hand_to_hand_without_losing_a_line(store: Store) -> None:
    put_batch(store, "b1")
    first = claim_batch(store, "one")
    assert first is not None and claim_batch(store, "two") is None
    assert begin_batch(store, first, num_total=3, model="m")
    assert add_result(store, first, 2, is_error=True, content="two")
    with store.write() as connection:
        connection.execute(batches.update().values(lease_until=0.0))
    second = claim_batch(store, "two")
    assert second is not None and renew_batch(store, first) is None
    assert not add_result(store, first, 3, is_error=False, content="lost")
    for line in (3, 1):
        assert add_result(store, second, line, is_error=False, content=str(line))
    assert list_done(store, "b1") == {1, 2, 3}
    assert list(iterate_results(store, "b1", is_error=False)) == ["1", "3"]
    assert not begin_finalizing(store, first) and begin_finalizing(store, second)
    assert cancel_batch(store, "b1") == "finalizing"
    with store.write() as connection:
        assert not end_batch(store, connection, first, "completed")
        assert end_batch(store, connection, second, "completed")
    row = find_batch(store, "b1", "p")
    assert row is not None and (row.num_completed, row.num_failed) == (2, 1)
    assert count(store, results) == 0 and claim_batch(store, "three") is None


def test_a_cancelled_batch_does_not_complete(store: Store) -> None:
    put_batch(store, "b1")
    lease = claim_batch(store, "one")
    assert lease is not None and begin_batch(store, lease, num_total=1, model=None)
    assert cancel_batch(store, "b1") is None and cancel_batch(store, "b1") is None
    assert not begin_finalizing(store, lease)
    with store.write() as connection:
        assert not end_batch(store, connection, lease, "completed")
        assert end_batch(store, connection, lease, "cancelled")
    assert cancel_batch(store, "b1") == "cancelled"


def test_racing_servers_share_batches(store: Store) -> None:
    for number in range(12):
        put_batch(store, f"b{number:02}")
    taken: list[str] = []

    def take(owner: str) -> None:
        while (lease := claim_batch(store, owner)) is not None:
            taken.append(lease.job_id)

    threads = [threading.Thread(target=take, args=(f"s{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left = claim_batch(store, "last")
    while left is not None:
        taken.append(left.job_id)
        left = claim_batch(store, "last")
    assert sorted(taken) == [f"b{number:02}" for number in range(12)]


def test_a_file_that_a_batch_reads_stays(store: Store) -> None:
    put_batch(store, "b1")
    with store.write() as connection:
        insert_file(
            connection,
            id="file-b1",
            project="p",
            filename="f",
            purpose="batch",
            bytes=1,
            sha256="",
            status="processed",
            created_at=1.0,
        )
    assert delete_file(store, "file-b1") == "b1"
    lease = claim_batch(store, "one")
    assert lease is not None and cancel_batch(store, "b1") is None
    with store.write() as connection:
        assert end_batch(store, connection, lease, "cancelled")
    assert delete_file(store, "file-b1") is None
