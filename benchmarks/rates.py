"""The ceiling: what matrix products this machine can do, and how many a workload needs.

Run as a program it prints the measured rates as one JSON line; it is a process of its own so that
every round of a comparison can measure them afresh.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

SIZE, REPEATS = 2048, 5


def measure_rates() -> dict[str, float]:
    """GFLOP per CPU-second of a square matrix product on one thread, medians.

    ``fp32`` and ``bf16`` are those of `torch.nn.functional.linear`, which every trainer calls.
    ``fp32_onednn`` is the same product by the other library that PyTorch carries: it takes MKL for
    float32, which leaves half of the vector unit idle on processors of another maker.
    """
    import torch
    from torch.nn.functional import linear

    torch.set_num_threads(1)
    x, weight = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    x_bf16, weight_bf16 = x.bfloat16(), weight.bfloat16()
    products: dict[str, Callable[[], Any]] = {
        "fp32": lambda: linear(x, weight),
        "bf16": lambda: linear(x_bf16, weight_bf16),
    }
    if torch.backends.mkldnn.is_available():
        onednn = torch.ops.mkldnn._linear_pointwise
        products["fp32_onednn"] = lambda: onednn(x, weight, None, "none", [], "")
    return {name: 2 * SIZE**3 / _time(product) / 1e9 for name, product in products.items()}


def find_best_rate(rates: dict[str, float], precision: str) -> float:
    """The highest rate that any library reached in a precision."""
    return max(rate for name, rate in rates.items() if name.startswith(precision))


def _time(product: Callable[[], Any]) -> float:
    product()
    seconds = []
    for _repeat in range(REPEATS):
        start = time.process_time()
        product()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def compute_needed_flops(spec: dict[str, Any]) -> float:
    """FLOPs that the workload cannot do without; attention and adapters are not counted.

    A weight costs 2 FLOPs a token in the forward pass, 2 for the gradient of its input, and, where
    it is trained, 2 for its own. The head is counted only where there is a label.
    """
    from benchmarks.workloads import Shape

    shape = Shape(**spec["sizes"])
    per_weight = 6 if spec["method"] == "full" else 4
    layers = spec["num_tokens"] * shape.layer_weights
    return float(per_weight * (layers + spec["num_labels"] * shape.head_weights))


if __name__ == "__main__":
    print(json.dumps(measure_rates()))
