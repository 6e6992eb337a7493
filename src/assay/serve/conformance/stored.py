"""Check 45: stored completions."""

from __future__ import annotations

from typing import Any

import openai

from assay.serve.conformance.check import check, expect, expect_equal, expect_refused
from assay.serve.conformance.session import Session


@check(
    45,
    "stored answers are listed, read, marked and deleted, and can be trained on",
)
def check_stored(session: Session) -> None:
    client, mark = session.client(), session.mark()
    store = client.chat.completions
    made = [
        session.ask(f"Hello {number}", store=True, metadata={"mark": mark}) for number in range(12)
    ]
    ids = [one.id for one in made]
    found = list(store.list(metadata={"mark": mark}, limit=5))
    expect_equal(sorted(one.id for one in found), sorted(ids), "The stored answers of one mark")
    one = store.retrieve(ids[0])
    expect_equal(one.choices[0].message.content, made[0].choices[0].message.content, "The answer")
    asked = _read_messages(session, ids[0])
    expect_equal([message.content for message in asked], ["Hello 0"], "The messages")
    changed = store.update(ids[0], metadata={"mark": mark, "rating": "good"})
    expect_equal(changed.metadata, {"mark": mark, "rating": "good"}, "The changed metadata")
    _check_training(session, ids)
    for identity in ids:
        gone = store.delete(identity)
        expect_equal((gone.id, gone.deleted), (identity, True), "The deletion")
    expect_refused(lambda: store.retrieve(ids[0]), openai.NotFoundError, "A deleted answer")


def _check_training(session: Session, ids: list[str]) -> None:
    """What is exported of stored answers makes a job as check 13 asks it."""
    store, rows = session.client().chat.completions, []
    for identity in ids:
        asked = [
            {"role": one.role, "content": one.content} for one in _read_messages(session, identity)
        ]
        answer = store.retrieve(identity).choices[0].message.content
        rows.append({"messages": [*asked, {"role": "assistant", "content": answer or "-"}]})
    job = session.create_job(training_file=session.upload(rows).id)
    expect(job.status in ("validating_files", "queued"), f"The job is {job.status}.")
    expect_equal((job.error, job.result_files), (None, []), "error and result_files")


def _read_messages(session: Session, identity: str) -> list[Any]:
    """Messages that were sent; the client's type of them knows the assistant's alone."""
    return list(session.lenient.chat.completions.messages.list(identity))
