"""What must be true of a store at any moment, whatever was killed: read from the store alone."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from assay.release import verify_release
from assay.runs.store import Store
from assay.runs.store.aliases import alias_moves
from assay.runs.store.files import get_folder, locate_file
from assay.runs.store.models import SERVED
from assay.runs.store.tables import creates, events, files, jobs, models
from assay.runs.store.uploads import get_parts_folder, parts, uploads
from assay.serve.jobs.names import name_model
from assay.serve.jobs.places import locate_job

ENDED = ("succeeded", "failed", "cancelled")
KNOWN = ("validating_files", "queued", "running", "paused", *ENDED)


@dataclass(frozen=True)
class Rows:
    """All rows of one moment."""

    jobs: list[Any]
    models: list[Any]
    files: list[Any]
    events: list[Any]
    creates: list[Any]
    uploads: list[Any]
    parts: list[Any]
    moves: list[Any]


def check_invariants(store: Store) -> list[str]:
    """Everything that is wrong with a store on which nobody works now; empty where nothing is.

    Every job has ended or goes on; none is lost or doubled; none has the results of two workers;
    nothing is released by half; every file has a row and every row its bytes.
    """
    with store.read() as connection:
        tables = (jobs, models, files, events, creates, uploads, parts, alias_moves)
        told = (connection.execute(select(table).order_by(table.c.seq)) for table in tables)
        rows = Rows(*map(list, told))
    checks = (
        _check_jobs,
        _check_runs,
        _check_models,
        _check_files,
        _check_uploads,
        _check_aliases,
        _check_events,
        _check_creates,
    )
    return [fault for check in checks for fault in check(store, rows)]


def _check_jobs(store: Store, rows: Rows) -> Iterator[str]:
    for job in rows.jobs:
        if job.status not in KNOWN:
            yield f"{job.id}: unknown state {job.status}"
        has_ended = job.status in ENDED
        if has_ended != (job.finished_at is not None):
            yield f"{job.id}: {job.status}, finished at {job.finished_at}"
        if has_ended and job.lease_token is not None:
            yield f"{job.id}: {job.status}, and held"
        if job.status == "running" and job.lease_token is None:
            yield f"{job.id}: running, and nobody could take it again"
        if (job.status == "failed") != bool(job.error and job.error["code"]):
            yield f"{job.id}: {job.status}, error {job.error}"
        if (job.status == "succeeded") != (job.fine_tuned_model is not None):
            yield f"{job.id}: {job.status}, model {job.fine_tuned_model}"
        if not has_ended and not any(one.id == job.training_file for one in rows.files):
            yield f"{job.id}: {job.status}, and its file is gone"


def _check_runs(store: Store, rows: Rows) -> Iterator[str]:
    """Folders: one for each job and none else; one run in it; no draft once it has ended."""
    known = {job.id: job for job in rows.jobs}
    listed = {one.folder for one in rows.models}
    found = {folder.name for folder in (store.folder / "jobs").glob("*")}
    yield from (f"{name}: a folder without a job" for name in sorted(found - set(known)))
    yield from (f"{name}: a job without its folder" for name in sorted(set(known) - found))
    for name in sorted(found & set(known)):
        folder = locate_job(store, name)
        runs = [run for run in (folder / "runs").glob("*") if (run / "manifest.json").exists()]
        if len(runs) > 1:
            yield f"{name}: {len(runs)} runs, which two workers made"
        for saved in (folder / "checkpoints").glob("*"):
            is_listed = saved.relative_to(store.folder).as_posix() in listed
            if known[name].status in ENDED and not is_listed:
                yield f"{name}: {saved.name} is no checkpoint"


def _check_models(store: Store, rows: Rows) -> Iterator[str]:
    known = {job.id: job for job in rows.jobs}
    tuned = Counter(one.job_id for one in rows.models if one.checkpoint_id is None)
    yield from (f"{job_id}: {num} results" for job_id, num in tuned.items() if num > 1)
    for model in rows.models:
        job = known[model.job_id]
        weights = store.folder / model.folder
        if not weights.is_dir() or not any(weights.iterdir()):
            yield f"{model.id}: no weights"
        if model.checkpoint_id is not None:
            continue
        if model.id != name_model(job.model, job.suffix, job.id):
            yield f"{model.id}: not the name of {job.id}'s model"
        if model.state in SERVED:
            yield from _check_release(store, model, job)
        elif (job.status, (job.error or {}).get("code")) != ("failed", "gate_failed"):
            yield f"{model.id}: {model.state}, and its job {job.status} {job.error}"


def _check_release(store: Store, model: Any, job: Any) -> Iterator[str]:
    run = store.folder / model.run
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    if model.state == "released":
        if (job.status, job.fine_tuned_model) != ("succeeded", model.id):
            yield f"{model.id}: released, and its job {job.status}"
        if verdict["status"] != "released":
            yield f"{model.id}: released, and its verdict {verdict['status']}"
    if not verify_release(run).ok:
        yield f"{model.id}: {model.state}, and its signature does not fit"


def _check_files(store: Store, rows: Rows) -> Iterator[str]:
    known = {one.id for one in rows.files}
    lying = {path.name for path in get_folder(store).glob("*")}
    yield from (f"{name}: bytes without a row" for name in sorted(lying - known))
    for row in rows.files:
        path = locate_file(store, row.id)
        content = path.read_bytes() if path.is_file() else b""
        if (len(content), hashlib.sha256(content).hexdigest()) != (row.bytes, row.sha256):
            yield f"{row.id}: its bytes are not those of its row"
    named = Counter(name for job in rows.jobs for name in job.result_files or [])
    for row in rows.files:
        if row.purpose == "fine-tune-results" and named[row.id] != 1:
            yield f"{row.id}: results that {named[row.id]} jobs name"


def _check_uploads(store: Store, rows: Rows) -> Iterator[str]:
    """A completed one has its file; parts have their bytes as long as it is pending, no longer."""
    known = {one.id: one for one in rows.uploads}
    kept = {one.id for one in rows.parts if known[one.upload_id].status == "pending"}
    lying = {path.name for path in get_parts_folder(store).glob("*")}
    yield from (f"{name}: bytes without a pending part" for name in sorted(lying - kept))
    yield from (f"{name}: a pending part without bytes" for name in sorted(kept - lying))
    for upload in rows.uploads:
        if (upload.status == "completed") != (upload.file_id is not None):
            yield f"{upload.id}: {upload.status}, file {upload.file_id}"


def _check_aliases(store: Store, rows: Rows) -> Iterator[str]:
    """Moves of an alias go on from each other, and the last points at what is served."""
    served = {one.id for one in rows.models if one.state in SERVED}
    standing: dict[str, Any] = {}
    for move in rows.moves:
        last = standing.get(move.alias)
        if move.previous != (last.model if last is not None else None):
            yield f"{move.alias}: moved from {move.previous}, where it did not point"
        standing[move.alias] = move
    for move in standing.values():
        if move.model is not None and move.model not in served:
            yield f"{move.alias}: points at {move.model}, which is not served"


def _check_events(store: Store, rows: Rows) -> Iterator[str]:
    told = defaultdict(list)
    for event in rows.events:
        told[event.job_id].append(event)
    for job in rows.jobs:
        steps = [one.data["step"] for one in told[job.id] if one.type == "metrics"]
        if steps != sorted(set(steps)):
            yield f"{job.id}: steps told twice, or out of order"
        once = {one.once for one in told[job.id]}
        says_why = job.status == "failed" and job.error["code"] != "worker_lost"
        if (job.status == "succeeded" or says_why) and "ended" not in once:
            yield f"{job.id}: {job.status}, and no event says so"


def _check_creates(store: Store, rows: Rows) -> Iterator[str]:
    # An upload is noted again when it is completed.
    made = Counter(one.resource for one in rows.creates if not one.resource.startswith("upload"))
    yield from (f"{name}: noted {num} times" for name, num in made.items() if num > 1)
    repeated: dict[str, set[str]] = defaultdict(set)
    for row in rows.creates:
        if row.is_retry:
            repeated[row.fingerprint].add(row.resource)
    yield from (f"one request made {found}" for found in repeated.values() if len(found) > 1)
