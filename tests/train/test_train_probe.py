"""The memory probe: what it finds, and that it leaves no trace."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from small_models import make_model
from test_train_memory import ROWS, SmallDevice, assert_same, get_batches, run, start
from torch import Tensor

from assay.data.pack import PackedBatch, build_batch
from assay.errors import ResourceError, TrainingError
from assay.models.forward import packed_mode
from assay.train import probe as probe_module
from assay.train.probe import Probe, find_plan
from assay.train.sft import SftLoss
from assay.train.shard import find_layers
from assay.train.techniques import techniques_on

STAGES: list[tuple[str, ...]] = [(), ("checkpoint_layers",)]


def make_batch(*lengths: int) -> PackedBatch:
    ids = [[1 + i % 50 for i in range(length)] for length in lengths]
    return build_batch(ids, [[1.0] * length for length in lengths])


def plan(model: Any, loss: Any, longest: PackedBatch, stages: Sequence[Any] = STAGES) -> Any:
    probe = Probe(model, loss, "fp32")
    with packed_mode(model):
        return find_plan(longest, stages, lambda s: techniques_on(model, s), probe.try_batch)


def test_a_probe_leaves_no_trace() -> None:
    """Training after it is bit for bit the training without it, dropout and all."""
    probed, plain = start(dropout=0.3), start(dropout=0.3)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    found = plan(probed, SftLoss(), get_batches(0)[0])
    assert (found.token_budget, found.techniques, found.reason) == (0, (), "")
    assert torch.equal(torch.get_rng_state(), before)
    assert all(p.grad is None for p in probed.parameters())
    assert not probed.training or plain.training
    run(probed, SftLoss())
    run(plain, SftLoss())
    assert_same(probed, plain)


def test_a_budget_is_halved_until_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "MIN_EFFICIENT_TOKENS", 8)
    device = SmallDevice(30)
    found = plan(start(), device, make_batch(20, *[10] * 10))
    assert (found.token_budget, found.techniques) == (30, ())
    assert found.reason == (
        "memory: micro-batches of at most 30 tokens, since 120 do not fit; results are the same"
    )
    assert device.sizes == [120, 60, 30]


def test_layers_are_computed_twice_before_micro_batches_get_too_small() -> None:
    """With `auto`: memory runs out unless layers are checkpointed."""
    model = start()

    def loss(model: Any, batch: PackedBatch) -> Tensor:
        is_checkpointed = "forward" in vars(find_layers(model)[0])
        return SmallDevice(60 if is_checkpointed else 10)(model, batch)

    found = plan(model, loss, make_batch(40, *[10] * 8))
    assert found.techniques == ("checkpoint_layers",)
    assert found.token_budget == 60
    assert "with checkpoint_layers" in found.reason
    assert all("forward" not in vars(module) for module in model.modules())


def test_a_row_that_does_not_fit_ends_at_once() -> None:
    device = SmallDevice(30)
    with pytest.raises(ResourceError, match="longest row, of 40 tokens, does not fit") as caught:
        plan(start(), device, make_batch(40, *[10] * 8))
    assert caught.value.exit_code == 4
    assert "data.max_seq_len" in str(caught.value)
    assert device.sizes[-1] == 40


def test_techniques_of_the_recipe_are_the_only_ones_tried() -> None:
    found = plan(start(), SftLoss(), make_batch(20, 10), [("checkpoint_layers",)])
    assert (found.techniques, found.reason) == (("checkpoint_layers",), "")


@pytest.mark.parametrize(
    ("free", "expected", "sizes"),
    [
        (10**8, 0, [128]),
        (6 * 10**6, 0, [128, 1024, 4096]),
        (4 * 10**6, 2048, [128, 1024, 128, 2048]),
    ],
)
def test_on_a_cpu_portions_say_whether_the_whole_may_be_tried(
    monkeypatch: pytest.MonkeyPatch, free: int, expected: int, sizes: list[int]
) -> None:
    """Each token takes 1,000 bytes and the gradients 500,000; too much is never taken."""
    seen: list[int] = []

    def loss(model: Any, batch: PackedBatch) -> Tensor:
        seen.append(batch.num_tokens)
        return SftLoss()(model, make_batch(4))

    monkeypatch.setattr(probe_module, "read_held_bytes", lambda device: 10**9)
    monkeypatch.setattr(
        probe_module, "read_peak_bytes", lambda device: 10**9 + 500_000 + 1000 * seen[-1]
    )
    monkeypatch.setattr(probe_module, "read_free_bytes", lambda device: free)
    found = plan(start(), loss, make_batch(*[1024] * 4))
    assert found.token_budget == expected
    assert seen == sizes
    assert all(500_000 + 1000 * size <= free for size in seen)


def test_what_the_optimizer_will_take_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "read_free_bytes", lambda device: 1 << 40)
    trial = Probe(start(), SftLoss(), "fp32", reserve_bytes=1 << 40).try_batch(make_batch(20))
    assert trial.free_bytes == 0
    assert not trial.fits


def test_gradients_are_dropped_where_the_training_will_drop_them() -> None:
    model, held = make_model(), list[int]()
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(
            lambda _: held.append(sum(p.grad is not None for p in model.parameters()))
        )
    with packed_mode(model):
        assert Probe(model, SftLoss(), "fp32", keep_gradients=False).try_batch(make_batch(9)).fits
    assert max(held) == 1


def test_a_model_without_layers_is_planned_without_them() -> None:
    @contextmanager
    def techniques(stage: tuple[str, ...]) -> Iterator[None]:
        if stage:
            raise TrainingError("no list of layers")
        yield

    model = start()
    probe = Probe(model, SmallDevice(5), "fp32")
    with packed_mode(model), pytest.raises(ResourceError, match="does not fit in memory"):
        find_plan(make_batch(20), STAGES, techniques, probe.try_batch)


def test_other_errors_are_not_taken_for_memory() -> None:
    def broken(model: Any, batch: PackedBatch) -> Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    model = start()
    probe = Probe(model, broken, "fp32")
    with packed_mode(model), pytest.raises(RuntimeError, match="shapes"):
        find_plan(get_batches(0)[0], STAGES, lambda s: nullcontext(), probe.try_batch)
    assert ROWS
