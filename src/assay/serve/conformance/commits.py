"""Check 5: what is made once though its answer was lost."""

from __future__ import annotations

from typing import Any

from assay.serve.conformance.check import check, expect_equal
from assay.serve.conformance.losing import losing
from assay.serve.conformance.rows import render_rows
from assay.serve.conformance.session import Session

_ROW = {"messages": [{"role": "user", "content": "a"}]}


@check(5, "an answer lost after the commit makes one job, one file, one batch, one eval")
def check_commits(session: Session) -> None:
    mark = session.mark()
    chats = session.upload_chats()
    with losing(session.target.base_url) as losses:
        client = session.client(max_retries=2, base_url=losses.url)
        losses.answers = 1
        made = session.create_job(client=client, training_file=chats, metadata={"mark": mark})
        losses.answers = 1
        file = session.upload(b"x", "user_data", client=client, filename=mark)
        if session.has_route("/batches"):
            _check_batch(session, client, losses, mark)
        if session.has_route("/evals"):
            _check_eval(session, client, losses, mark)
        expect_equal(losses.answers, 0, "The number of answers still to be lost")
    client = session.client()
    jobs = [one.id for one in client.fine_tuning.jobs.list(metadata={"mark": mark})]
    expect_equal(jobs, [made.id], "The list of jobs")
    files = [one.id for one in client.files.list(purpose="user_data") if one.filename == mark]
    expect_equal(files, [file.id], "The list of files")


def _check_batch(session: Session, client: Any, losses: Any, mark: str) -> None:
    line = {
        "custom_id": mark,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": session.target.model, "max_completion_tokens": 1, **_ROW},
    }
    file = session.upload(render_rows([line]), "batch")
    losses.answers = 1
    made = client.batches.create(
        endpoint="/v1/chat/completions", input_file_id=file.id, completion_window="24h"
    )
    found = [one.id for one in session.client().batches.list() if one.input_file_id == file.id]
    expect_equal(found, [made.id], "The list of batches")


def _check_eval(session: Session, client: Any, losses: Any, mark: str) -> None:
    losses.answers = 1
    made = client.evals.create(
        name=mark,
        data_source_config={"type": "custom", "item_schema": {"type": "object"}},
        testing_criteria=[
            {
                "type": "string_check",
                "name": "same",
                "input": "{{ item.a }}",
                "reference": "a",
                "operation": "eq",
            }
        ],
    )
    session.left.undo.append(lambda: session.lenient.evals.delete(made.id))
    found = [one.id for one in session.client().evals.list() if one.name == mark]
    expect_equal(found, [made.id], "The list of evals")
