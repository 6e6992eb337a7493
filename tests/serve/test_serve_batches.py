"""Batches by the official client: every line once, by custom_id, whatever happens to the server."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from batching import QUICK, Script, begin, build, read, render_line, upload, wait
from sockets import Served, serving
from sqlalchemy import func, select

import assay
from assay.errors import ResourceError
from assay.runs.store import Store, add_key, revoke_key
from assay.runs.store.batches import (
    add_result,
    begin_batch,
    claim_batch,
    list_done,
    release_batch,
    renew_batch,
    results,
)
from assay.runs.store.files import get_folder
from assay.serve.batches.lines import Line, check_file
from assay.serve.batches.results import finish_batch
from assay.serve.batches.run import Pace
from assay.serve.sweep import sweep_store


@pytest.fixture()
def script() -> Script:
    return Script()


@pytest.fixture()
def served(store: Store, script: Script) -> Iterator[Served]:
    _, secret = add_key(store, "tests", ["admin"])
    with serving(build(store, script)) as url:
        yield Served(store, url, secret)


@pytest.fixture(
    params=[pytest.param(False, marks=pytest.mark.slow), True], ids=["lenient", "strict"]
)
def client(request: pytest.FixtureRequest, served: Served) -> openai.OpenAI:
    """The official client; a strict one takes nothing that one as it is would not."""
    return served.client(_strict_response_validation=request.param)


def count_results(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(results)).scalar_one())


def test_good_and_bad_lines_end_in_two_files(client: openai.OpenAI, served: Served) -> None:
    lines = [render_line(f"é{n}", ("good", "bad", "busy")[n % 3] + str(n)) for n in range(9)]
    made = begin(client, lines, metadata={"night": "1"})
    assert made.status == "validating" and made.expires_at == made.created_at + 24 * 3600
    done = wait(client, made.id)
    assert done.status == "completed" and done.metadata == {"night": "1"}
    assert done.request_counts.to_dict() == {"total": 9, "completed": 6, "failed": 3}
    assert done.model == "tiny" and done.errors is None
    good, bad = read(client, done.output_file_id), read(client, done.error_file_id)
    assert [one["custom_id"] for one in good] == [f"é{n}" for n in range(9) if n % 3 != 1]
    assert [one["custom_id"] for one in bad] == [f"é{n}" for n in range(9) if n % 3 == 1]
    assert all(one["response"]["status_code"] == 200 and not one["error"] for one in good)
    assert good[0]["response"]["body"]["echo"] == "good0"
    assert len({one["id"] for one in good + bad}) == 9
    assert len({one["response"]["request_id"] for one in good + bad}) == 9
    assert bad[0]["response"]["status_code"] == 400
    assert bad[0]["response"]["body"]["error"]["param"] == "messages"
    file = client.files.retrieve(done.output_file_id)
    assert (file.purpose, file.filename) == ("batch_output", f"{made.id}_output.jsonl")
    assert done.usage.to_dict() == {
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 18,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 30,
    }
    assert count_results(served.store) == 0
    for at in (done.in_progress_at, done.finalizing_at, done.completed_at):
        assert at is not None and at >= done.created_at


def test_all_wrong_lines_are_told_at_once(client: openai.OpenAI, script: Script) -> None:
    lines: list[Any] = [
        render_line("a", "good"),
        "{broken",
        render_line("a", "good"),
        render_line("b", "good", url="/v1/embeddings", method="GET"),
        {"custom_id": 5, "method": "POST", "url": "/v1/chat/completions", "body": []},
        "",
        render_line("c", "good", body={"stream": True}, priority=1),
        "[1]",
    ]
    done = wait(client, begin(client, lines).id)
    assert done.status == "failed" and done.failed_at is not None
    assert done.output_file_id is None and done.error_file_id is None
    told = [(one.line, one.code, one.param) for one in done.errors.data]
    assert told == [
        (2, "invalid_json_line", None),
        (3, "duplicate_custom_id", "custom_id"),
        (4, "invalid_method", "method"),
        (4, "mismatched_url", "url"),
        (5, "invalid_value", "custom_id"),
        (5, "invalid_value", "body"),
        (7, "unknown_parameter", "priority"),
        (7, "invalid_value", "body.stream"),
        (8, "invalid_json_line", None),
    ]
    assert not script.asked
    empty = wait(client, begin(client, [""]).id)
    assert [one.code for one in empty.errors.data] == ["empty_file"]


def test_a_file_of_too_many_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    path.write_text("[]\n" * 50_001)
    checked = check_file(path, "/v1/chat/completions")
    assert checked.num_errors == 50_002 and len(checked.errors) == 1000


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"completion_window": "1h"}, "completion_window"),
        ({"endpoint": "/v1/images/edits"}, "endpoint"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}},
         "output_expires_after.seconds"),
        ({"extra_body": {"priority": 1}}, "priority"),
    ],
)  # fmt: skip
def test_a_wrong_batch_is_refused_by_name(
    served: Served, options: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        begin(served.client(), [render_line("a", "good")], **options)
    assert caught.value.param == param


def test_only_files_for_batches_are_taken(served: Served) -> None:
    client = served.client()
    given: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    other = upload(client, [render_line("a", "good")], purpose="user_data")
    with pytest.raises(openai.BadRequestError) as caught:
        client.batches.create(input_file_id=other, **given)
    assert (caught.value.param, caught.value.code) == ("input_file_id", "invalid_file_purpose")
    with pytest.raises(openai.NotFoundError):
        client.batches.create(input_file_id="file-none", **given)


def test_a_batch_that_is_cancelled_lets_go_and_keeps_what_is_there(
    client: openai.OpenAI, served: Served, script: Script
) -> None:
    lines = [render_line("first", "good")]
    lines += [render_line(f"h{n}", f"hang{n}") for n in range(4)]
    lines += [render_line(f"late{n}", "late") for n in range(3)]
    made = begin(client, lines)
    while script.num_hanging < 4 or not client.batches.retrieve(made.id).request_counts.completed:
        time.sleep(0.02)
    with pytest.raises(openai.BadRequestError) as caught:
        client.files.delete(made.input_file_id)
    assert caught.value.code == "file_in_use"
    assert client.batches.cancel(made.id).status in ("cancelling", "cancelled")
    done = wait(client, made.id)
    assert done.status == "cancelled" and done.cancelled_at >= done.cancelling_at
    assert done.request_counts.to_dict() == {"total": 8, "completed": 1, "failed": 7}
    assert script.num_let_go == 4 and not script.asked["late"]
    assert [one["custom_id"] for one in read(client, done.output_file_id)] == ["first"]
    missing = read(client, done.error_file_id)
    assert [one["custom_id"] for one in missing] == [line["custom_id"] for line in lines[1:]]
    assert {one["error"]["code"] for one in missing} == {"batch_cancelled"}
    with pytest.raises(openai.BadRequestError) as ended:
        client.batches.cancel(made.id)
    assert ended.value.code == "batch_not_cancellable"
    client.files.delete(made.input_file_id)


def test_a_batch_whose_time_is_over_expires(served: Served, script: Script) -> None:
    client = served.client()
    made = begin(client, [render_line("a", "good"), render_line("b", "hang")])
    while not script.num_hanging or not client.batches.retrieve(made.id).request_counts.completed:
        time.sleep(0.02)
    with served.store.write() as connection:
        connection.exec_driver_sql("update batches set expires_at = created_at")
    done = wait(client, made.id)
    assert done.status == "expired" and done.expired_at is not None
    assert [one["custom_id"] for one in read(client, done.output_file_id)] == ["a"]
    (missing,) = read(client, done.error_file_id)
    assert (missing["custom_id"], missing["error"]["code"]) == ("b", "batch_expired")


def test_a_line_that_keeps_failing_is_an_error_and_the_others_go_on(
    served: Served, script: Script
) -> None:
    client = served.client()
    done = wait(client, begin(client, [render_line("a", "broken"), render_line("b", "good")]).id)
    (bad,) = read(client, done.error_file_id)
    assert (bad["custom_id"], bad["response"]["status_code"]) == ("a", 500)
    assert script.asked["broken"] > 1
    assert [one["custom_id"] for one in read(client, done.output_file_id)] == ["b"]


def test_lines_of_a_batch_are_answered_a_few_at_a_time(served: Served, script: Script) -> None:
    script.pause_s = 0.02
    client = served.client()
    wait(client, begin(client, [render_line(f"{n}", f"good{n}") for n in range(20)]).id)
    assert 1 < script.most_at_once <= QUICK.lines


def test_a_key_that_is_revoked_answers_no_more_lines(served: Served, script: Script) -> None:
    key, secret = add_key(served.store, "short", ["infer"], requests_per_minute=2)
    lines = [render_line(f"h{n}", f"hang{n}") for n in range(QUICK.lines)]
    lines += [render_line(f"late{n}", "late") for n in range(3)]
    # Two requests a minute, which these are; the lines are none.
    made = begin(served.client(api_key=secret), lines)
    while script.num_hanging < QUICK.lines:
        time.sleep(0.02)
    revoke_key(served.store, key.id)
    script.is_released = True
    client = served.client()
    done = wait(client, made.id)
    assert len(read(client, done.output_file_id)) == QUICK.lines and not script.asked["late"]
    codes = [one["response"]["body"]["error"]["code"] for one in read(client, done.error_file_id)]
    assert codes == ["invalid_api_key"] * 3


def test_a_create_that_is_sent_again_makes_one_batch(served: Served) -> None:
    client = served.client()
    given: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    given["input_file_id"] = upload(client, [render_line("a", "good")])
    made = client.batches.create(**given)
    again = client.batches.create(**given, extra_headers={"x-stainless-retry-count": "1"})
    assert again.id == made.id
    other = client.batches.create(**given)
    assert [one.id for one in client.batches.list(limit=1)] == [other.id, made.id]


def test_another_project_has_its_own_batches(served: Served) -> None:
    _, secret = add_key(served.store, "other", ["admin"], project="proj_other")
    other = served.client(api_key=secret)
    made = begin(served.client(), [render_line("a", "good")])
    for call in (other.batches.retrieve, other.batches.cancel):
        with pytest.raises(openai.NotFoundError) as caught:
            call(made.id)
        assert caught.value.code == "batch_not_found"
    assert list(other.batches.list()) == []


def test_only_who_holds_a_batch_writes_its_results(store: Store) -> None:
    _, secret = add_key(store, "tests", ["admin"])
    with serving(build(store, Script(), pace=Pace(batches=0))) as url:
        made = begin(Served(store, url, secret).client(), [render_line("a", "good")])
    first = claim_batch(store, "one")
    assert first is not None and first.job_id == made.id and claim_batch(store, "two") is None
    assert begin_batch(store, first, num_total=1, model=None)
    with store.write() as connection:
        connection.exec_driver_sql("update batches set lease_until = 0")
    second = claim_batch(store, "two")
    assert second is not None and renew_batch(store, first) is None
    assert not add_result(store, first, 1, is_error=False, content="{}")
    assert add_result(store, second, 1, is_error=False, content="{}")
    assert list_done(store, made.id) == {1}
    release_batch(store, first)
    assert claim_batch(store, "three") is None
    release_batch(store, second)
    assert claim_batch(store, "three") is not None


def test_a_full_disk_keeps_a_batch_as_it_was(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _, secret = add_key(store, "tests", ["admin"])
    with serving(build(store, Script(), pace=Pace(batches=0))) as url:
        client = Served(store, url, secret).client()
        made = begin(client, [render_line("a", "good"), render_line("b", "late")])
        lease = claim_batch(store, "one")
        assert lease is not None and begin_batch(store, lease, num_total=2, model=None)
        body = {"status_code": 200, "body": {"usage": None}}
        content = json.dumps({"custom_id": "a", "response": body})
        assert add_result(store, lease, 1, is_error=False, content=content)
        files = set(get_folder(store).iterdir())

        def fail(*given: Any) -> None:
            raise OSError(errno.ENOSPC, "no space")

        batch = renew_batch(store, lease)
        left = [Line(2, "b", {})]
        with monkeypatch.context() as full:
            full.setattr("assay.serve.batches.results.os.fsync", fail)
            with pytest.raises(ResourceError):
                finish_batch(store, lease, batch, "expired", left)
        assert set(get_folder(store).iterdir()) == files
        assert client.batches.retrieve(made.id).status == "in_progress"
        assert list_done(store, made.id) == {1}
        assert finish_batch(store, lease, batch, "expired", left)
        done = client.batches.retrieve(made.id)
        assert [one["custom_id"] for one in read(client, done.output_file_id)] == ["a"]
        assert [one["custom_id"] for one in read(client, done.error_file_id)] == ["b"]


def test_a_server_that_ends_lets_the_next_go_on_at_once(store: Store) -> None:
    _, secret = add_key(store, "tests", ["admin"])
    before, after = Script(), Script()
    lines = [render_line("a", "good"), render_line("b", "hang")]
    with serving(build(store, before, Pace(poll_s=0.02, lease_s=600))) as url:
        client = Served(store, url, secret).client()
        made = begin(client, lines)
        while not before.num_hanging or not list_done(store, made.id):
            time.sleep(0.02)
    assert before.num_let_go == 1
    with serving(build(store, after)) as url:
        client = Served(store, url, secret).client()
        while not after.num_hanging:
            time.sleep(0.02)
        assert not after.asked["good"]
        client.batches.cancel(made.id)
        assert [one["custom_id"] for one in read(client, wait(client, made.id).output_file_id)] == [
            "a"
        ]


@pytest.mark.parametrize("num_kills", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_a_killed_server_goes_on_without_doubling_lines(store: Store, num_kills: int) -> None:
    """Killed in the middle, with no chance to say anything."""
    _, secret = add_key(store, "tests", ["admin"])
    path = [str(Path(assay.__file__).parents[1]), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    command = [sys.executable, str(Path(__file__).parent / "batching.py"), str(store.folder)]
    num, batch_id = 120, ""
    for life in range(num_kills + 1):
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert server.stdout is not None
        client = Served(store, server.stdout.readline().strip(), secret).client()
        try:
            if not batch_id:
                lines = [render_line(f"c{n}", f"q{n}") for n in range(num)]
                batch_id = begin(client, lines).id
            if life == num_kills:
                done = wait(client, batch_id)
                good = read(client, done.output_file_id)
                continue
            wanted = num * (life + 1) // (num_kills + 1)
            while client.batches.retrieve(batch_id).request_counts.completed < wanted:
                time.sleep(0.02)
        finally:
            server.send_signal(signal.SIGKILL)
            server.wait()
    assert [one["custom_id"] for one in good] == [f"c{n}" for n in range(num)]
    assert [one["response"]["body"]["echo"] for one in good] == [f"q{n}" for n in range(num)]
    assert done.request_counts.to_dict() == {"total": num, "completed": num, "failed": 0}
    asked = Counter((store.folder / "asked.txt").read_text().split())
    # What was under way at a kill is asked again (or where a busy machine lets a lease run out);
    # what had a result is not.
    again = sum(count - 1 for count in asked.values())
    assert set(asked) == {f"q{n}" for n in range(num)} and again <= num // 3
    assert count_results(store) == 0
    for left in get_folder(store).iterdir():
        os.utime(left, (1, 1))
    sweep_store(store)
    assert len(list(get_folder(store).iterdir())) == 2
