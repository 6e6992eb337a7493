"""A process that checks pieces: ``python -m assay.data.curate.scan_worker``; loads no torch.

It reads a greeting, then pieces and names of detectors from standard input until that ends. What
it finds lies in the work folder; an answer only says that it does, and is empty where it failed.
"""

from __future__ import annotations

import sys

from assay.data.curate.jobs import Job, decode_job
from assay.data.worker_pool import receive, send
from assay.errors import AssayError


def main() -> None:
    """Do each job that is asked for."""
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    # Whatever a library prints must not stand between answers.
    sys.stdout = sys.stderr
    greeting = receive(asked)
    if greeting is None:
        return
    job: Job = decode_job(greeting)
    send(answers, b"")
    while (payload := receive(asked)) is not None:
        try:
            job.answer(payload)
            done = b"done"
        except AssayError:  # the asker does it again, and fails with the same error
            done = b""
        send(answers, done)


if __name__ == "__main__":
    main()
