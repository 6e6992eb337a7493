"""What fake jobs are forked from: no training stack."""

import os

import tests.serve.faults.fake_run  # noqa: F401

from assay.serve.jobs.parent import end_with_parent

os.setsid()
end_with_parent()
