"""Products of ever new shapes, as packed batches have them, do not fill the memory."""

import subprocess
import sys

import pytest
import torch

from assay.models.fast.matmul import uses_onednn

SHAPES = """
import assay, torch

def read_mib():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS"))

from assay.models.fast.matmul import matmul_t
torch.set_num_threads(1)
weight = torch.randn(512, 512)
for num_rows in range(300, 500):
    matmul_t(torch.randn(num_rows, 512), weight)
before = read_mib()
for num_rows in range(500, 1000):
    matmul_t(torch.randn(num_rows, 512), weight)
print(read_mib() - before)
"""


@pytest.mark.skipif(not uses_onednn(torch.ones(1)), reason="oneDNN has no part here")
def test_compiled_products_are_few() -> None:
    """500 shapes more: 70 MiB as it is, 610 where PyTorch and oneDNN keep as many as they like."""
    ran = subprocess.run(
        [sys.executable, "-c", SHAPES], capture_output=True, text=True, check=True, timeout=120
    )
    assert int(ran.stdout) < 250
