"""Check 44: batches."""

from __future__ import annotations

import json
from typing import Any

from assay.serve.conformance.check import check, expect, expect_equal
from assay.serve.conformance.rows import build_chat, render_rows
from assay.serve.conformance.session import Session

_ENDED = ("completed", "failed", "expired", "cancelled")
_PLACE = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}


def _build_line(session: Session, identity: str, **changes: Any) -> dict[str, Any]:
    body = {
        "model": session.target.model,
        "messages": build_chat(1)["messages"][:1],
        "max_completion_tokens": 4,
        **changes,
    }
    return {"custom_id": identity, "method": "POST", "url": "/v1/chat/completions", "body": body}


@check(44, "a batch answers good lines and tells bad ones apart, by custom_id")
def check_batches(session: Session) -> None:
    client = session.client()
    lines = [_build_line(session, f"good-{n}") for n in range(3)]
    lines.insert(1, _build_line(session, "bad", model="no-such-model"))
    file = session.upload(render_rows(lines), "batch", filename="batch.jsonl")
    made = client.batches.create(input_file_id=file.id, metadata={"a": "b"}, **_PLACE)
    expect(made.status in ("validating", "in_progress"), f"The new batch is {made.status}.")
    done = session.wait_until(
        lambda: client.batches.retrieve(made.id),
        lambda batch: batch.status == "completed",
        lambda batch: f"the batch is {batch.status}, not completed",
        lambda batch: batch.status in _ENDED,
    )
    counts = done.request_counts
    expect_equal((counts.total, counts.completed, counts.failed), (4, 3, 1), "The counts")
    answers, errors = (_read(client, name) for name in (done.output_file_id, done.error_file_id))
    expect_equal(sorted(answers), ["good-0", "good-1", "good-2"], "The lines with answers")
    for one in answers.values():
        expect_equal(one["response"]["status_code"], 200, "The status of a line")
        expect(one["response"]["body"]["choices"], "A line has no choices.")
    expect_equal(list(errors), ["bad"], "The lines with errors")
    expect(made.id in [one.id for one in client.batches.list(limit=2)], "The list lacks it.")
    other = client.batches.create(input_file_id=file.id, **_PLACE)
    status = client.batches.cancel(other.id).status
    expect(status in ("cancelling", "cancelled"), f"The cancelled batch is {status}.")


def _read(client: Any, file_id: str) -> dict[str, Any]:
    lines = client.files.content(file_id).read().decode().splitlines()
    return {one["custom_id"]: one for one in map(json.loads, lines)}
