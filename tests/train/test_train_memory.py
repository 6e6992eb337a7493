"""Memory: out of it and mended at equal results, for real too; techniques that change nothing."""

import mmap
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import make_model, make_rows
from torch import Tensor

from assay.data.pack import PackedBatch, build_batch
from assay.data.portions import split_batch
from assay.errors import ConfigError, ResourceError, TrainingError
from assay.models.adapters import add_lora
from assay.models.forward import packed_mode
from assay.train.checkpoint import Checkpoints, trainable_tensors
from assay.train.fit import FitSettings, fit
from assay.train.memory import (
    _read_cgroup_free_bytes,
    is_out_of_memory,
    read_free_bytes,
    read_held_bytes,
    read_peak_bytes,
    reset_peak,
)
from assay.train.optimizer import build_optimizers
from assay.train.sft import SftLoss
from assay.train.step import train_step
from assay.train.techniques import activations_offloaded, layers_checkpointed, techniques_on

ROWS = make_rows(24)
NUM_STEPS = 4
CPU = torch.device("cpu")


def get_batches(step: int) -> list[PackedBatch]:
    rows = [ROWS[(6 * step + i) % len(ROWS)] for i in range(6)]
    return [build_batch([ids for ids, _ in rows], [mask for _, mask in rows])]


def start(*, dropout: float = 0.0) -> Any:
    torch.manual_seed(0)
    return add_lora(make_model(), rank=4, alpha=8.0, dropout=dropout).get_base_model()


class SmallDevice:
    """A loss for which memory runs out above `limit` tokens, after the forward pass."""

    def __init__(self, limit: int, error: type[Exception] = torch.OutOfMemoryError) -> None:
        self.limit, self.error, self.sizes = limit, error, list[int]()

    def __call__(self, model: Any, batch: PackedBatch) -> Tensor:
        loss = SftLoss()(model, batch)
        self.sizes.append(batch.num_tokens)
        if batch.num_tokens > self.limit:
            raise self.error("tried to allocate 1 GiB: not enough memory")
        return loss


def run(model: Any, loss: Any, folder: Path | None = None, **changes: Any) -> Any:
    notes: list[str] = []
    options = {"resume": changes.pop("resume", False)}
    torch.manual_seed(5)
    with packed_mode(model):
        result = fit(
            model,
            get_batches,
            loss,
            build_optimizers(model, learning_rate=1e-2, apart=changes.pop("apart", False)),
            FitSettings(**{"num_steps": NUM_STEPS, "warmup_steps": 1, **changes}),
            checkpoints=Checkpoints(folder) if folder else None,
            note=notes.append,
            **options,
        )
    return result, notes


def assert_same(a: Any, b: Any) -> None:
    first, second = trainable_tensors(a), trainable_tensors(b)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


lengths = st.lists(st.integers(2, 9), min_size=1, max_size=8)


@given(lengths, st.integers(1, 30), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_splitting_loses_no_token_and_no_weight(sizes: list[int], budget: int, rng: Any) -> None:
    ids = [[rng.randrange(50) for _ in range(size)] for size in sizes]
    masks = [[rng.choice([0.0, 0.5, 1.0]) for _ in range(size)] for size in sizes]
    batch = build_batch(ids, masks, is_anchored=True)
    parts = split_batch(batch, token_budget=budget)
    expected = [build_batch([i], [m], is_anchored=True) for i, m in zip(ids, masks, strict=True)]
    found = [one for part in parts for one in split_batch(part, token_budget=1)]
    key = repr
    assert sorted(map(key, found)) == sorted(map(key, expected))
    assert all(part.num_tokens <= max(budget, *sizes) for part in parts)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, RuntimeError])
def test_running_out_of_memory_is_mended_at_equal_results(error: type[Exception]) -> None:
    """The run is, bit for bit, the one whose micro-batches were small from the beginning."""
    largest = max(get_batches(step)[0].num_tokens for step in range(NUM_STEPS))
    device = SmallDevice(largest // 2, error)
    mended, small, whole = start(), start(), start()
    result, notes = run(mended, device)
    run(small, SftLoss(), token_budget=result.token_budget)
    run(whole, SftLoss())
    assert len(notes) == 1
    assert "at equal results" in notes[0]
    assert result.token_budget <= device.limit
    assert sum(size > device.limit for size in device.sizes) == 1, "only once"
    assert_same(mended, small)
    for name, value in trainable_tensors(whole).items():
        torch.testing.assert_close(value, trainable_tensors(mended)[name], atol=1e-6, rtol=1e-4)


def test_a_mended_step_has_no_trace_of_the_failed_one() -> None:
    """With dropout: the generators are put back before the step is done anew."""
    failing, small = start(dropout=0.3), start(dropout=0.3)
    result, _ = run(failing, SmallDevice(60))
    run(small, SftLoss(), token_budget=result.token_budget)
    assert_same(failing, small)


def test_a_row_that_does_not_fit_ends_with_what_to_do_and_a_checkpoint(tmp_path: Path) -> None:
    class Shrinking(SmallDevice):
        def __call__(self, model: Any, batch: PackedBatch) -> Tensor:
            self.limit = 1 if len(self.sizes) >= 2 else 1000
            return super().__call__(model, batch)

    model, whole = start(dropout=0.3), start(dropout=0.3)
    with pytest.raises(ResourceError, match="tokens does not fit in memory by itself") as caught:
        run(model, Shrinking(1000), tmp_path)
    assert caught.value.exit_code == 4
    assert "checkpoint_layers" in str(caught.value)
    assert Checkpoints(tmp_path).steps() == [2]
    resumed = start(dropout=0.3)
    run(resumed, SftLoss(), tmp_path, resume=True)
    run(whole, SftLoss())
    for name, value in trainable_tensors(whole).items():
        torch.testing.assert_close(value, trainable_tensors(resumed)[name], atol=1e-6, rtol=1e-4)


def test_a_resumed_run_keeps_its_smaller_micro_batches(tmp_path: Path) -> None:
    whole, cut = start(dropout=0.3), start(dropout=0.3)
    expected, _ = run(whole, SmallDevice(60), tmp_path / "whole")
    run(cut, SmallDevice(60), tmp_path / "cut", num_steps=2, schedule="constant")
    resumed = start(dropout=0.3)
    device = SmallDevice(60)
    result, notes = run(resumed, device, tmp_path / "cut", resume=True, schedule="constant")
    assert notes == []
    assert result.token_budget == expected.token_budget


def test_an_optimizer_without_memory_is_not_tried_again(tmp_path: Path) -> None:
    model = start()
    (optimizer,) = build_optimizers(model, learning_rate=1e-2)

    def fail() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    optimizer.step = fail  # type: ignore[method-assign]
    with packed_mode(model), pytest.raises(ResourceError, match="while the optimizer moved"):
        train_step(model, get_batches(0), SftLoss(), [optimizer], max_grad_norm=1.0)


REAL = """
import resource, sys
sys.path.insert(0, sys.argv[1])
import torch
import test_train_memory as t
from small_models import SHAPE
from transformers import LlamaConfig, LlamaForCausalLM
torch.set_num_threads(1)
shape = SHAPE | {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 4}
model = LlamaForCausalLM(LlamaConfig(**shape))
row = ([1 + i % 50 for i in range(96)], [1.0] * 96)
step = [t.build_batch([row[0]] * 40, [row[1]] * 40)]
t.get_batches = lambda number: step
t.run(model, t.SftLoss(), num_steps=1, token_budget=96)
def limit(num_bytes):
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    hard = resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_AS, (size + num_bytes, hard))
limit(160 << 20)
result, notes = t.run(model, t.SftLoss(), num_steps=2)
print(result.num_steps, result.token_budget, *notes, sep="\\n")
step[:] = [t.build_batch([row[0] * 20], [row[1] * 20])]
limit(20 << 20)
try:
    t.run(model, t.SftLoss(), num_steps=1)
except t.ResourceError as error:
    print(error)
"""


def test_real_limits_of_the_operating_system_are_mended_or_named() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REAL, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "1",
            "MALLOC_MMAP_THRESHOLD_": "65536",
        },
        check=False,
    )
    assert done.returncode == 0, done.stderr
    num_steps, budget, *notes, last = done.stdout.splitlines()
    assert num_steps == "2"
    assert 0 < int(budget) < 40 * 96
    assert notes
    assert all("memory ran out in micro-batches of" in note for note in notes)
    assert last.startswith("a row of 1,920 tokens does not fit in memory by itself (")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 12"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ResourceError("the disk is full"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_which_errors_mean_memory(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_other_errors_are_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="shapes"):

        def broken(model: Any, batch: PackedBatch) -> Tensor:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

        run(start(), broken)


@pytest.mark.parametrize("version", [1, 2])
def test_limits_of_control_groups_are_read(tmp_path: Path, version: int) -> None:
    base = tmp_path / "memory" if version == 1 else tmp_path
    group = base / "jobs" / "mine"
    group.mkdir(parents=True)
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    if version == 2:
        names = ("memory.max", "memory.current", "inactive_file")
    (base / names[0]).write_text("max" if version == 2 else str(1 << 63), "ascii")
    (base / names[1]).write_text("1", "ascii")
    (group / names[0]).write_text("1000\n", "ascii")
    (group / names[1]).write_text("700\n", "ascii")
    (group / "memory.stat").write_text(f"anon 5\n{names[2]} 50\n", "ascii")
    member = tmp_path / "member"
    member.write_text("4:memory:/jobs/mine\n" if version == 1 else "0::/jobs/mine\n", "ascii")
    assert _read_cgroup_free_bytes(tmp_path, member) == 350
    assert _read_cgroup_free_bytes(tmp_path / "none", tmp_path / "none") > 1 << 50


def test_free_memory_and_peaks_are_measured() -> None:
    assert 0 < read_free_bytes(CPU) < 1 << 50
    held = read_held_bytes(CPU)
    assert reset_peak(CPU)
    with mmap.mmap(-1, 64 << 20) as block:  # an allocator may keep what is freed; the system not
        for _ in range(1024):
            block.write(b"\1" * (64 << 10))
    peak = read_peak_bytes(CPU)
    assert peak is not None
    assert 60 << 20 <= peak - held <= 90 << 20
    reset_peak(CPU)
    again = read_peak_bytes(CPU)
    assert again is not None
    assert again - held < 30 << 20, "the peak before is forgotten"


def compute_gradients(model: Any, *, seed: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    model.train()
    loss = SftLoss()(model, get_batches(0)[0])
    loss.backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", ["full", "adapters"])
@pytest.mark.parametrize("technique", ["checkpoint", "offload", "both"])
def test_techniques_change_no_bit_of_the_gradient(kind: str, technique: str) -> None:
    """With dropout in the adapters, which a checkpointed layer draws again."""
    plain, other = (start(dropout=0.3) if kind == "adapters" else make_model() for _ in range(2))
    with packed_mode(plain):
        expected = compute_gradients(plain)
    drawn = torch.get_rng_state()
    with packed_mode(other):
        if technique == "checkpoint":
            with layers_checkpointed(other):
                found = compute_gradients(other)
        elif technique == "offload":
            with activations_offloaded(other, CPU, min_bytes=0):
                found = compute_gradients(other)
        else:
            with activations_offloaded(other, CPU, min_bytes=0), layers_checkpointed(other):
                found = compute_gradients(other)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert torch.equal(gradient, found[name]), name
    assert all("forward" not in vars(module) for module in other.modules())


def count_saved_bytes(model: Any) -> int:
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with packed_mode(model), torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        SftLoss()(model, get_batches(0)[0])
    return sum(seen.values())


def test_checkpointed_layers_keep_less() -> None:
    model = make_model()
    model.train()
    plain = count_saved_bytes(model)
    with layers_checkpointed(model):
        assert count_saved_bytes(model) < plain / 2


def test_offloading_has_nowhere_to_go_on_a_cpu() -> None:
    with (
        pytest.raises(ConfigError, match="offload_activations on a CPU"),
        techniques_on(make_model(), ["offload_activations"]),
    ):
        pass


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["adamw", "muon", "schedule_free", "adafactor"])
def test_a_step_within_the_backward_pass_is_the_same_step(name: Any, dtype: torch.dtype) -> None:
    """Several micro-batches too: then only the last backward pass steps."""
    whole, layered = make_model().to(dtype), make_model().to(dtype)
    precision = "fp32" if dtype == torch.float32 else "bf16"
    expected, found = (
        [
            train_step(
                model,
                [*get_batches(step), *get_batches(step + 1)][: 1 + step],
                SftLoss(),
                optimizers,
                max_grad_norm=None,
                precision=precision,
                step_in_backward=model is layered,
            )
            for step in range(2)
        ]
        for model, optimizers in (
            (whole, build_optimizers(whole, name=name, learning_rate=1e-2)),
            (layered, build_optimizers(layered, name=name, learning_rate=1e-2, apart=True)),
        )
    )
    assert [result.loss for result in found] == [result.loss for result in expected]
    norms = [result.grad_norm for result in expected]
    assert [result.grad_norm for result in found] == pytest.approx(norms, rel=1e-5)
    assert_same(whole, layered)


def test_gradients_do_not_pile_up_where_layers_step_by_themselves() -> None:
    model = make_model()
    held: list[int] = []
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(
            lambda _: held.append(sum(p.grad is not None for p in model.parameters()))
        )
    optimizers = build_optimizers(model, learning_rate=1e-2, apart=True)
    with packed_mode(model):
        train_step(
            model,
            get_batches(0),
            SftLoss(),
            optimizers,
            max_grad_norm=None,
            step_in_backward=True,
        )
    assert held
    assert max(held) == 1


def test_running_out_of_memory_between_layers_that_moved_is_not_tried_again() -> None:
    def fail(grad: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    model = make_model()
    model.model.layers[0].mlp.up_proj.weight.register_hook(fail)
    with pytest.raises(ResourceError, match="some layers have moved"):
        run(model, SftLoss(), step_in_backward=True, apart=True, max_grad_norm=None)


def test_running_out_of_memory_before_any_layer_moved_is_mended() -> None:
    options = {"step_in_backward": True, "apart": True, "max_grad_norm": None}
    mended, small = make_model(), make_model()
    result, notes = run(mended, SmallDevice(60), **options)
    run(small, SftLoss(), token_budget=result.token_budget, **options)
    assert len(notes) == 1
    assert_same(mended, small)


def test_a_gradient_that_is_not_finite_stops_a_step_within_the_backward_pass() -> None:
    model = make_model()
    optimizers = build_optimizers(model, learning_rate=1e-2, apart=True)
    before = trainable_tensors(model)
    model.model.layers[0].mlp.up_proj.weight.register_hook(lambda grad: grad * float("nan"))
    with packed_mode(model), pytest.raises(TrainingError, match="layers above have moved"):
        train_step(
            model,
            get_batches(0),
            SftLoss(),
            optimizers,
            max_grad_norm=None,
            step_in_backward=True,
        )
    after = trainable_tensors(model)
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(after[name], before[name])
    assert all(torch.isfinite(value).all() for value in after.values())
