"""The GPU benchmark's models and counts, at toy size on a CPU."""

import math
from dataclasses import asdict

import pytest
import torch
from benchmarks.gpu import GPU_WORKLOADS, compare_losses, measure
from benchmarks.on_gpu.case import summarise
from benchmarks.on_gpu.meter import Clock, measure_rate
from benchmarks.on_gpu.models import build_model, build_with_peft, set_start
from benchmarks.on_gpu.rows import count_flops, make_rows
from benchmarks.workloads import RANK, SHAPES

from assay.models.adapters import add_lora

SIZES = asdict(SHAPES["toy"])
CPU = torch.device("cpu")


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
    spec = {"num_sequences": 1, "num_steps": 1, "sizes": SIZES, "method": "lora"}
    warm_up = [{"input_ids": [5] * 99, "labels": [5] * 99}] * 2
    rows = [*warm_up, {"input_ids": [5] * 10, "labels": [-100] * 10}]
    layers = 4 * 10 * SHAPES["toy"].layer_weights
    # Scores and values, 2 FLOPs for each of their L * L / 2 * D products; twice that backward.
    attention = 2 * 32 * (2 * 2 * 100 / 2) * 3
    assert count_flops(spec, rows) == layers + attention


def test_every_trainer_starts_from_the_same_adapter() -> None:
    spec = {"sizes": SIZES, "method": "lora", "device": "cpu"}
    base = build_model(SIZES, dtype=torch.bfloat16, device=CPU)
    ours = add_lora(base, rank=RANK, alpha=2 * RANK).get_base_model()
    set_start(ours)
    theirs = dict(build_with_peft(spec).named_parameters())
    adapters = {name: p for name, p in ours.named_parameters() if ".lora_" in name}
    assert len(adapters) == 2 * 7 * SIZES["num_hidden_layers"]
    for name, parameter in adapters.items():
        assert torch.equal(parameter, theirs[f"base_model.model.{name}"]), name
        assert bool(parameter.any()) == (".lora_A." in name)


def test_the_pace_is_of_the_median_step_after_the_warm_up() -> None:
    clock = Clock(CPU)
    clock.ends, clock.losses = [0.0, 10.0, 12.0, 15.0, 17.0], [1.0] * 5
    found = summarise({"num_tokens": 100}, clock, rate=1e9, needed_flops=1e9)
    assert found["all_steps_s"] == [2.0, 3.0, 2.0]
    assert found["tokens_per_s"] == 50 and found["mfu"] == 0.5
    assert found["peak_mib"] > 0 and found["versions"]["torch"]


def test_the_rate_of_a_machine_is_one_that_machines_have() -> None:
    assert 1e8 < measure_rate(CPU) < 1e15


def test_losses_that_were_not_told_do_not_pass_for_equal() -> None:
    ours = {"losses": [2.0, 4.0]}
    assert compare_losses(ours, {"losses": [2.0, 5.0]}) == pytest.approx(0.25)
    assert math.isnan(compare_losses(ours, {"losses": [2.0, math.nan]}))


def test_a_70b_shape_has_as_many_weights_as_its_name_says() -> None:
    from benchmarks.gpu import GPU_SHAPES

    for name, billions in (("1b", 1.5), ("8b", 8.0), ("70b", 70.6)):
        shape = GPU_SHAPES[name]
        assert (shape.layer_weights + 2 * shape.head_weights) / 1e9 == pytest.approx(billions, 0.01)
    assert GPU_WORKLOADS["qlora-70b-2k"].limit_bytes == 48 * 10**9


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["lora-8b-4k", "full-1b-4k"])
def test_every_trainer_here_has_the_losses_of_ours_in_every_step(workload: str) -> None:
    found = measure(workload, only=["transformers_peft", "trl:default", "trl:best"], toy=True)
    others = {name: one for name, one in found["trainers"].items() if "losses" in one}
    assert {"assay", "transformers_peft"} <= set(others)
    for name, one in others.items():
        assert len(one["losses"]) == 4
        assert one["losses_differ_by"] < 1e-3, name
