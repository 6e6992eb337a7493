"""Models in a store, released, held and checkpoints, without any weights that could be loaded."""

from __future__ import annotations

from typing import Any

from assay.release import SigningKey, release_run
from assay.runs import RunFolder, write_json, write_text
from assay.runs.store import Store
from assay.runs.store.jobs import find_job, insert_job
from assay.runs.store.models import insert_model

GATE = {"name": "task_gain", "outcome": "fail", "required": True, "reason": "it lost"}


def add_job(store: Store, job_id: str, **values: Any) -> None:
    """A job that has ended, once."""
    if find_job(store, job_id) is not None:
        return
    given = {
        "id": job_id,
        "status": "succeeded",
        "model": "tiny",
        "base": "tiny",
        "training_file": "file-1",
        "seed": 0,
        "priority": 0,
        "num_attempts": 0,
        "not_before": 0.0,
        "created_at": 0.0,
        "result_files": [],
    }
    with store.write() as connection:
        insert_job(connection, **{**given, **values})


def add_model(
    store: Store, name: str, *, key: SigningKey, state: str = "released", job: str = "ftjob-1"
) -> RunFolder:
    """A model with a run of its own, signed where it is released."""
    add_job(store, job)
    run = RunFolder(store.folder / "jobs" / job / "runs" / f"{name.replace(':', '-')}-00000000")
    run.adapter.mkdir(parents=True)
    (run.adapter / "adapter_model.safetensors").write_bytes(b"weights")
    write_text(run.recipe, "base: tiny\n")
    write_json(run.manifest, {"base": {"name": "tiny", "sha256": "0" * 64}})
    gates = [GATE] if state == "held" else []
    status = "held" if state == "held" else "released"
    write_json(run.verdict, {"status": status, "headline": "", "gates": gates})
    if state == "released":
        release_run(run, key=key)
    relative = run.path.relative_to(store.folder).as_posix()
    with store.write() as connection:
        insert_model(
            store,
            connection,
            id=name,
            base="tiny",
            job_id=job,
            folder=f"{relative}/adapter",
            run=relative,
            state=state,
        )
    return run


def add_checkpoint(store: Store, name: str, *, job: str = "ftjob-1", step: int = 5) -> None:
    """A checkpoint's row."""
    add_job(store, job)
    with store.write() as connection:
        insert_model(
            store,
            connection,
            id=name,
            base="tiny",
            job_id=job,
            checkpoint_id=f"ftckpt_{step}",
            step=step,
            folder=f"jobs/{job}/a",
            run=f"jobs/{job}/r",
            state="unreleased",
        )
