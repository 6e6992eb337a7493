"""The process of one job: started with its lease, and with what the job brings."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from assay.runs.store import Store
from assay.runs.store.jobs import find_job
from assay.runs.store.queue import Lease
from assay.serve.jobs.execute import DATABASE_VARIABLE, LEASE_VARIABLE
from assay.serve.jobs.parent import name_parent


def start_job(
    store: Store, lease: Lease, *, module: str = "assay.serve.jobs.execute"
) -> subprocess.Popen[bytes]:
    """The process that runs the job; its lease and the database's password are no arguments."""
    environment = {**os.environ, **name_parent(), LEASE_VARIABLE: lease.token}
    if not store.is_sqlite:
        environment[DATABASE_VARIABLE] = store.engine.url.render_as_string(hide_password=False)
    job = find_job(store, lease.job_id)
    for integration in (job.integrations if job else None) or []:
        environment |= _describe_wandb(integration["wandb"], lease.job_id)
    command = [sys.executable, "-m", module, str(store.folder), lease.job_id]
    # A group of its own: Ctrl-C in the terminal reaches the worker alone, which passes it on.
    return subprocess.Popen(
        command, env=environment, start_new_session=True, stdin=subprocess.DEVNULL
    )


def _describe_wandb(given: dict[str, Any], job_id: str) -> dict[str, str]:
    named = {
        "WANDB_PROJECT": given["project"],
        "WANDB_ENTITY": given.get("entity"),
        "WANDB_NAME": given.get("name") or job_id,
        "WANDB_TAGS": ",".join(given.get("tags") or [job_id]),
    }
    return {key: value for key, value in named.items() if value}
