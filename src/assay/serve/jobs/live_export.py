"""Saves the weights of a running job's newest checkpoint, so that it answers before the job ends.

``python -m assay.serve.jobs.live_export FOLDER JOB STEP SOURCE`` does it in a process of its own,
beside the one that trains: on the CPU, at a low priority, and only where memory is left for a
second copy of the base. The checkpoint's files are linked first, since the run drops old ones. What
is left half done the job's own process makes whole at its end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from assay.errors import AssayError
from assay.runs.store import Store, open_store
from assay.runs.store.jobs import find_job
from assay.runs.store.queue import Lease
from assay.serve.jobs.base_shape import find_local_folder
from assay.serve.jobs.parent import end_with_parent, name_parent
from assay.serve.jobs.places import find_job_run, locate_job

LEAST_PAUSE_S = 30.0
"""Between two exports, and before the first."""
_SHARE = 10
"""An export takes at most one part of so many of the time."""
_COPIES = 4
"""Times a base's files that must be free: its weights in fp32, and as much beside."""
_LEASE, _DATABASE = "ASSAY_EXPORT_LEASE", "ASSAY_EXPORT_DATABASE"


@dataclass
class LiveExport:
    """Looks after checkpoints of a job that trains; build it by `begin_exports`."""

    command: Sequence[str]
    environment: dict[str, str]
    checkpoints: Path
    saved: Path
    needed_bytes: int
    pause_s: float = LEAST_PAUSE_S
    _process: subprocess.Popen[bytes] | None = None
    _began: float = field(default_factory=time.monotonic)
    _next: float = field(init=False)

    def __post_init__(self) -> None:
        self._next = self._began + self.pause_s

    def look(self) -> None:
        """Start an export if there is something new, and none is under way or was lately."""
        now = time.monotonic()
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._process = None
            self._next = now + max(self.pause_s, _SHARE * (now - self._began))
        step = self._find_new() if now >= self._next else None
        if step is None:
            return
        if psutil.virtual_memory().available < self.needed_bytes:
            self._next = now + self.pause_s
            return
        source = self.saved / f".live-{step}"
        try:
            _link(self.checkpoints / f"step-{step}", source)
        except OSError:
            return  # dropped meanwhile, or a disk without links
        self._began = now
        self._process = subprocess.Popen(
            [*self.command, str(step), str(source)],
            env=self.environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        """End what is under way: whoever stops it saves all that is missing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _find_new(self) -> int | None:
        made = [int(path.name.removeprefix("step-")) for path in self.checkpoints.glob("step-*")]
        newest = max(made, default=None)
        return None if newest is None or (self.saved / f"step-{newest}").exists() else newest


def _link(folder: Path, target: Path) -> None:
    """The files of `folder` in `target`, too, without a copy of their bytes."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in folder.iterdir():
        os.link(path, target / path.name)


def begin_exports(store: Store, lease: Lease) -> LiveExport | None:
    """Exports of a job's checkpoints, once its run is there; None where they would not be served.

    A whole model is served as a base of its own, and never over another.
    """
    from assay.config import load

    job = find_job(store, lease.job_id)
    run = find_job_run(locate_job(store, lease.job_id))
    folder = find_local_folder(job.base) if job is not None else None
    if run is None or folder is None:
        return None
    try:
        loaded = load(locate_job(store, lease.job_id) / "recipe.yaml")
    except AssayError:
        return None
    if loaded.recipe.method.trains_base:
        return None
    database = "" if store.is_sqlite else store.engine.url.render_as_string(hide_password=False)
    quiet = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    own = {_LEASE: lease.token, _DATABASE: database, **name_parent(), **quiet}
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return LiveExport(
        [sys.executable, "-m", "assay.serve.jobs.live_export", str(store.folder), lease.job_id],
        {**os.environ, **own},
        run.checkpoints,
        locate_job(store, lease.job_id) / "checkpoints",
        _COPIES * weights,
    )


def main(arguments: Sequence[str]) -> int:
    """Save one checkpoint of a job that is held; 0 where it was."""
    from assay.serve.jobs.execute import export_checkpoint
    from assay.serve.jobs.watch import JobProgress

    folder, job_id, step, source = arguments
    end_with_parent()
    with suppress(OSError):
        os.nice(5)
    lease = Lease(job_id, os.environ.pop(_LEASE))
    store = open_store(folder, os.environ.pop(_DATABASE))
    job, run = find_job(store, job_id), find_job_run(locate_job(store, job_id))
    if job is None or run is None or job.lease_token != lease.token:
        return 1
    progress = JobProgress(store, lease)
    try:
        export_checkpoint(store, lease, job, run, int(step), progress=progress, source=Path(source))
    finally:
        shutil.rmtree(source, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
