"""Writes one workload's model and data and prints its specification: `-m benchmarks.prepare NAME`.

It is a program of its own because building a model needs torch, which the driver does without.
"""

from __future__ import annotations

import json
import sys

from benchmarks.workloads import write_workload

if __name__ == "__main__":
    specification = write_workload(sys.argv[1])
    print(json.dumps(specification))
