"""What a finished run means for its job: the model's name and state, the verdict, the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from assay.runs import RunFolder, sha256_file
from assay.runs.find import read_or_empty
from assay.runs.store import Store
from assay.runs.store.events import insert_event
from assay.runs.store.ids import new_id
from assay.runs.store.jobs import JobRow
from assay.runs.store.models import insert_model
from assay.runs.store.owners import find_owner
from assay.runs.store.queue import Lease, finish_in, holds
from assay.runs.values import mapping
from assay.serve.files.keep import drop_kept, insert_kept, keep_bytes
from assay.serve.jobs.check_rows import build_error
from assay.serve.jobs.names import name_checkpoint, name_model
from assay.serve.jobs.places import relative
from assay.serve.jobs.results import describe_checkpoint, render_csv
from assay.serve.jobs.watch import JobProgress

if TYPE_CHECKING:
    from assay.pipeline import RunOutcome

GATE_FAILED = "gate_failed"
RESULTS_PURPOSE = "fine-tune-results"
_GATE_KEYS = ("name", "outcome", "required", "statistic", "interval", "threshold", "n", "reason")


def end_job(
    store: Store, lease: Lease, job: JobRow, outcome: RunOutcome, progress: JobProgress
) -> bool:
    """Write how the run ended; False where the lease was lost, and then the job has no such end.

    State, error, results file, model and last events are one transaction: a process that is killed
    before it leaves a job that goes on, and one that is killed after it a job that has ended.
    """
    name = name_model(job.model, job.suffix, job.id)
    gates = [{key: gate.get(key) for key in _GATE_KEYS} for gate in outcome.verdict["gates"]]
    status = "released" if outcome.released else "held"
    progress.tell(
        f"Gates: {outcome.verdict.get('headline') or status}",
        level="info" if outcome.released else "error",
        kind="moderation_checks",
        data={"status": status, "gates": gates},
        once="gates",
    )
    run = outcome.run
    results = keep_bytes(store, render_csv(run.read_metrics()))
    training = mapping(read_or_empty(run.manifest).get("training"))
    folder = run.adapter if run.adapter.exists() else run.model
    values: dict[str, Any] = {
        "trained_tokens": int(training.get("num_tokens", 0)),
        "result_files": [results.id],
        "details": describe_run(run, outcome.verdict),
    }
    if outcome.released:
        values["fine_tuned_model"] = name
    else:
        values["error"] = _explain_hold(gates)
    with store.write() as connection:
        ended = "succeeded" if outcome.released else "failed"
        is_held = finish_in(store, connection, lease, ended, **values)
        if is_held:
            insert_kept(
                store,
                connection,
                results,
                project=find_owner(connection, job.id),
                name=f"{job.id}-results.csv",
                purpose=RESULTS_PURPOSE,
            )
            insert_model(
                store,
                connection,
                id=name,
                base=job.base,
                job_id=job.id,
                folder=relative(store, folder),
                run=relative(store, run.path),
                state=status,
            )
            _tell_end(store, connection, job, values)
    if not is_held:
        drop_kept(store, results)
    return is_held


def _tell_end(store: Store, connection: Connection, job: JobRow, values: dict[str, Any]) -> None:
    if "error" in values:
        message = values["error"]["message"]
        insert_event(store, connection, job.id, message, level="error", once="ended")
        return
    made = f"New fine-tuned model created: {values['fine_tuned_model']}"
    insert_event(store, connection, job.id, made, once="model")
    insert_event(store, connection, job.id, "The job has successfully completed", once="ended")


def add_checkpoint(store: Store, lease: Lease, job: JobRow, run: RunFolder, step: int) -> None:
    """List a checkpoint whose weights lie in the job's folder now; once, while the job is held."""
    with store.write() as connection:
        if not holds(connection, lease):
            return
        insert_model(
            store,
            connection,
            id=name_checkpoint(name_model(job.model, job.suffix, job.id), step),
            base=job.base,
            job_id=job.id,
            checkpoint_id=new_id("ftckpt_"),
            step=step,
            folder=f"jobs/{job.id}/checkpoints/step-{step}",
            run=relative(store, run.path),
            state="unreleased",
            metrics=describe_checkpoint(run.read_metrics(), step),
        )


def describe_run(run: RunFolder, verdict: dict[str, Any]) -> dict[str, Any]:
    """The evidence: verdict with its gates, what was found in the rows, hashes of all that the
    model comes from. Nothing of it names a folder of this machine."""
    manifest, report = read_or_empty(run.manifest), read_or_empty(run.data_report)
    base = mapping(manifest.get("base"))
    return {
        "run": run.id,
        "verdict": verdict,
        "data": {
            "splits": {
                name: {key: split.get(key) for key in ("num_records", "sha256")}
                for name, split in mapping(report.get("splits")).items()
            },
            "findings": report.get("findings"),
        },
        "training": manifest.get("training"),
        "base": {key: base.get(key) for key in ("sha256", "revision") if key in base},
        "hashes": {
            "recipe": sha256_file(run.recipe),
            "manifest": sha256_file(run.manifest),
            "release": sha256_file(run.release) if run.release.exists() else None,
        },
    }


def _explain_hold(gates: list[dict[str, Any]]) -> dict[str, Any]:
    """The job's error: each required gate that did not pass, with its reason."""
    failed = [one for one in gates if one["required"] and one["outcome"] != "pass"]
    names = ", ".join(one["name"] for one in failed)
    reasons = " ".join(f"{one['name']}: {one['reason']}" for one in failed)
    return build_error(GATE_FAILED, f"Held by {names}. {reasons}", None)
