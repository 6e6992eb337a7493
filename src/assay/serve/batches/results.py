"""Results of a batch's lines as JSON, and the files that they become."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from assay.runs.atomic import disk_full_named
from assay.runs.store import Store
from assay.runs.store.batches import BatchRow, end_batch, iterate_results
from assay.runs.store.files import get_folder, insert_file, locate_file
from assay.runs.store.ids import new_id
from assay.runs.store.queue import Lease
from assay.serve.batches.ask import Answer
from assay.serve.batches.lines import Line
from assay.serve.texts import render_json

PURPOSE = "batch_output"


def render_answer(line: Line, answer: Answer) -> str:
    """What was answered to a line, whatever its status."""
    response = {
        "status_code": answer.status,
        "request_id": answer.request_id,
        "body": answer.body,
    }
    return _render(line.custom_id, response, None)


def render_missing(line: Line, status: str) -> str:
    """A line that was not asked before the batch ended in `status`."""
    error = {"code": f"batch_{status}", "message": f"The batch {_SAID[status]} before this line."}
    return _render(line.custom_id, None, error)


_SAID = {"expired": "expired", "cancelled": "was cancelled"}


def _render(custom_id: str, response: Any, error: Any) -> str:
    line = {
        "id": new_id("batch_req_"),
        "custom_id": custom_id,
        "response": response,
        "error": error,
    }
    return render_json(line)


@dataclass(frozen=True)
class _Written:
    path: Path
    num_bytes: int
    num_lines: int
    sha256: str


def finish_batch(
    store: Store, lease: Lease, batch: BatchRow, status: str, missing: Iterable[Line]
) -> bool:
    """Write the files of a batch and end it, in one transaction; False where it was lost.

    `missing` are the lines that have no result; they are told among the errors.

    Raises:
        ResourceError: the disk is full; nothing has changed then.
    """
    usage = _Usage()
    written: dict[str, _Written] = {}
    failed = (render_missing(line, status) for line in missing)
    left = _Counted(failed)
    try:
        good = usage.read(iterate_results(store, batch.id, is_error=False))
        written["output"] = _write(store, good)
        written["error"] = _write(store, iterate_results(store, batch.id, is_error=True), left)
        full = {kind: one for kind, one in written.items() if one.num_lines}
        ids = {f"{kind}_file_id": one.path.name for kind, one in full.items()}
        counts = {"num_failed": batch.num_failed + left.num, "usage": usage.to_json()}
        with store.write() as connection:
            is_held = end_batch(store, connection, lease, status, **ids, **counts)
            if is_held:
                for kind, one in full.items():
                    _insert(store, connection, batch, kind, one)
    except BaseException:
        _drop(written.values())
        raise
    _drop(one for one in written.values() if not (is_held and one.num_lines))
    return is_held


class _Counted:
    def __init__(self, lines: Iterable[str]) -> None:
        self._lines, self.num = lines, 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.num += 1
            yield line


@dataclass
class _Usage:
    """Tokens of all answers, by the names that a batch has for them."""

    num_input: int = 0
    num_cached: int = 0
    num_output: int = 0
    num_reasoning: int = 0

    def read(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            self._add(json.loads(line)["response"]["body"].get("usage") or {})
            yield line

    def _add(self, usage: dict[str, Any]) -> None:
        inputs = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
        outputs = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
        self.num_input += usage.get("prompt_tokens", usage.get("input_tokens", 0))
        self.num_output += usage.get("completion_tokens", usage.get("output_tokens", 0))
        self.num_cached += inputs.get("cached_tokens") or 0
        self.num_reasoning += (outputs or {}).get("reasoning_tokens") or 0

    def to_json(self) -> dict[str, Any]:
        return {
            "input_tokens": self.num_input,
            "input_tokens_details": {"cached_tokens": self.num_cached},
            "output_tokens": self.num_output,
            "output_tokens_details": {"reasoning_tokens": self.num_reasoning},
            "total_tokens": self.num_input + self.num_output,
        }


def _write(store: Store, *sources: Iterable[str]) -> _Written:
    path = locate_file(store, new_id("file-"))
    get_folder(store).mkdir(parents=True, exist_ok=True)
    digest, size, num = hashlib.sha256(), 0, 0
    try:
        with disk_full_named(path), open(path, "xb") as file:
            for line in (line for source in sources for line in source):
                content = line.encode() + b"\n"
                digest.update(content)
                size, num = size + file.write(content), num + 1
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return _Written(path, size, num, digest.hexdigest())


def _insert(
    store: Store, connection: Connection, batch: BatchRow, kind: str, written: _Written
) -> None:
    now_s, after_s = store.now(connection), batch.output_expires_after_s
    insert_file(
        connection,
        id=written.path.name,
        project=batch.project,
        filename=f"{batch.id}_{kind}.jsonl",
        purpose=PURPOSE,
        bytes=written.num_bytes,
        sha256=written.sha256,
        status="processed",
        num_rows=written.num_lines,
        created_at=now_s,
        expires_at=None if after_s is None else now_s + after_s,
    )


def _drop(written: Iterable[_Written]) -> None:
    for one in written:
        one.path.unlink(missing_ok=True)
