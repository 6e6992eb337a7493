"""A server and its worker, without a model: ``python -m tests.serve.faults.server FOLDER``.

Its key is the environment's ASSAY_API_KEY; it tells where it listens as `assay serve --json` does.
"""

import os
import sys

from assay.runs.store import open_store
from assay.serve.assemble import assembled
from assay.serve.bases import read_bases
from assay.serve.jobs import start
from assay.serve.run import Address, serve, settle_keys

if __name__ == "__main__":
    store = open_store(sys.argv[1], os.environ.get(start.DATABASE_VARIABLE, ""))
    start._PAUSE_S = start._MOST_PAUSE_S = 0.1
    address = Address(port=0)
    key = settle_keys(store, address)
    worker = [sys.executable, "-m", "tests.serve.faults.worker", sys.argv[1]]
    with assembled(store, read_bases(), served="") as app, start.worker_beside(store, worker):
        serve(app, address, shown_key=key, as_json=True)
