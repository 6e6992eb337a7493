"""The GPU benchmark's models and counts, at toy size on a CPU."""

from dataclasses import asdict

import pytest
import torch
from benchmarks.gpu import measure
from benchmarks.gpu_case import count_flops, make_rows
from benchmarks.gpu_models import build_model
from benchmarks.workloads import SHAPES

SIZES = asdict(SHAPES["toy"])


def test_a_model_made_layer_by_layer_is_a_whole_one() -> None:
    model = build_model(SIZES, dtype=torch.float32, device=torch.device("cpu"))
    parameters = dict(model.named_parameters())
    assert not any(p.is_meta for p in (*parameters.values(), *model.buffers()))
    spread = parameters["model.layers.1.mlp.up_proj.weight"].detach().std()
    assert float(spread) == pytest.approx(0.02, rel=0.1)
    assert bool((parameters["model.norm.weight"] == 1).all())
    logits = model(input_ids=torch.tensor([[5, 6, 7]])).logits
    assert bool(logits.isfinite().all())
    again = build_model(SIZES, dtype=torch.float32, device=torch.device("cpu"))
    assert torch.equal(logits, again(input_ids=torch.tensor([[5, 6, 7]])).logits)


def test_every_step_has_the_tokens_that_the_workload_names() -> None:
    spec = {"num_steps": 3, "num_sequences": 4, "num_tokens": 256, "sizes": SIZES}
    rows = make_rows(spec)
    steps = [rows[i : i + 4] for i in range(0, len(rows), 4)]
    assert [sum(len(row["input_ids"]) for row in step) for step in steps] == [256] * 5


def test_attention_counts_the_half_of_the_square_that_is_seen() -> None:
    spec = {"num_sequences": 1, "sizes": SIZES, "method": "lora"}
    rows = [{"input_ids": [5] * 10, "labels": [-100] * 10}]
    layers = 4 * 10 * SHAPES["toy"].layer_weights
    # Scores and values, 2 FLOPs for each of their L * L / 2 * D products; twice that backward.
    attention = 2 * 32 * (2 * 2 * 100 / 2) * 3
    assert count_flops(spec, rows) == layers + attention


@pytest.mark.slow
def test_ours_and_the_plain_loop_begin_with_the_same_loss() -> None:
    results = measure("lora-8b-4k", only=["transformers_peft"], toy=True)["trainers"]
    ours, plain = results["assay"]["losses"], results["transformers_peft"]["losses"]
    assert len(ours) == len(plain) == 4
    assert ours[0] == pytest.approx(plain[0], rel=2e-3)
