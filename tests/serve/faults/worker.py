"""A worker whose jobs are fakes: ``python -m tests.serve.faults.worker FOLDER``; it hurries."""

import os
import sys

from tests.serve.faults.fake_run import STARTER

from assay.runs.store import Store, open_store
from assay.serve.jobs.parent import end_with_parent
from assay.serve.jobs.start import DATABASE_VARIABLE
from assay.serve.jobs.worker import Pace, Worker
from assay.serve.logs import log_to_stderr

HURRY = Pace(lease_s=1.0, look_s=0.05, idle_s=0.05)


def make_worker(store: Store) -> Worker:
    return Worker(store, pace=HURRY, starter=STARTER)


if __name__ == "__main__":
    end_with_parent()
    log_to_stderr()
    make_worker(open_store(sys.argv[1], os.environ.get(DATABASE_VARIABLE, ""))).run()
