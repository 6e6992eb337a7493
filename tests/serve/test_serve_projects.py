"""What is one project's does not exist for another's keys: files and jobs, by every route."""

from collections.abc import Callable
from typing import Any

import openai
import pytest
from tests.serve.conftest import Served

from assay.runs.store import add_key
from assay.serve.conformance.rows import build_chat, render_rows

ROWS = render_rows(map(build_chat, range(12)))


@pytest.fixture()
def other(served: Served) -> openai.OpenAI:
    _, secret = add_key(served.store, "other", ["admin"], project="proj_other")
    return served.client(api_key=secret)


def upload(client: openai.OpenAI) -> str:
    return client.files.create(file=("rows.jsonl", ROWS), purpose="fine-tune").id


def is_hidden(call: Callable[[], Any]) -> bool:
    with pytest.raises(openai.NotFoundError):
        call()
    return True


def test_files_are_seen_by_their_own_project_alone(
    client: openai.OpenAI, other: openai.OpenAI
) -> None:
    mine, theirs = upload(client), upload(other)
    assert mine != theirs
    assert [one.id for one in client.files.list()] == [mine]
    assert [one.id for one in other.files.list()] == [theirs]
    files = other.files
    assert all(is_hidden(lambda ask=ask: ask(mine)) for ask in (files.retrieve, files.content))
    assert is_hidden(lambda: files.delete(mine))
    assert client.files.content(mine).read() == ROWS


def test_nothing_is_made_of_anothers_file(client: openai.OpenAI, other: openai.OpenAI) -> None:
    mine, theirs = upload(client), upload(other)
    jobs = other.fine_tuning.jobs
    assert is_hidden(lambda: jobs.create(model="tiny", training_file=mine))
    assert is_hidden(lambda: jobs.create(model="tiny", training_file=theirs, validation_file=mine))
    assert is_hidden(
        lambda: other.batches.create(
            input_file_id=mine, endpoint="/v1/chat/completions", completion_window="24h"
        )
    )
    assert list(jobs.list()) == []


def test_jobs_are_seen_and_stopped_by_their_own_project_alone(
    client: openai.OpenAI, other: openai.OpenAI
) -> None:
    job = client.fine_tuning.jobs.create(model="tiny", training_file=upload(client)).id
    jobs = other.fine_tuning.jobs
    assert list(jobs.list()) == [] and [one.id for one in client.fine_tuning.jobs.list()] == [job]
    asks = (jobs.retrieve, jobs.cancel, jobs.pause, jobs.resume, jobs.list_events)
    assert all(is_hidden(lambda ask=ask: ask(job)) for ask in (*asks, jobs.checkpoints.list))
    assert client.fine_tuning.jobs.cancel(job).status == "cancelled"
