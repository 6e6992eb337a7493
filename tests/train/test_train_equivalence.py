"""The core against a plain loop written out by hand: weights, means, clipping, regularisers."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import make_model, make_rows

from assay.data.pack import PackedBatch, build_batch, pack_lengths
from assay.errors import TrainingError
from assay.models.adapters import add_lora
from assay.models.forward import packed_mode
from assay.train.fit import FitSettings, fit
from assay.train.optimizer import build_optimizers
from assay.train.sft import SftLoss, compute_mean_loss, neftune_noise
from assay.train.step import train_step

Rows = list[tuple[list[int], list[float]]]


def pack(rows: Rows, budget: int = 10_000) -> list[PackedBatch]:
    bins = pack_lengths([len(ids) for ids, _ in rows], token_budget=budget)
    return [build_batch([rows[i][0] for i in b], [rows[i][1] for i in b]) for b in bins]


def token_losses(model: Any, ids: list[int]) -> torch.Tensor:
    """-log p of every token but the first, of a row run by itself."""
    logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :-1].float()
    return torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters()}


def largest_gap(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def test_the_split_into_micro_batches_leaves_the_same_weights() -> None:
    """1, 3 and 8 micro-batches. Epsilon is raised: near zero gradients AdamW shows rounding."""
    rows = make_rows(8)
    ends, counts = [], []
    for budget in (1, 50, 10_000):
        model = make_model()
        optimizers = build_optimizers(model, learning_rate=1e-2, epsilon=1e-3)
        with packed_mode(model):
            for _ in range(3):
                train_step(model, pack(rows, budget), SftLoss(), optimizers, max_grad_norm=1.0)
        counts.append(len(pack(rows, budget)))
        ends.append(weights(model))
    assert counts[0] == 8
    assert 1 < counts[1] < 8
    assert counts[2] == 1
    assert largest_gap(ends[0], ends[2]) < 1e-6
    assert largest_gap(ends[1], ends[2]) < 1e-6


def test_the_mean_is_over_tokens_not_over_rows_or_micro_batches() -> None:
    """A row with 1 target of weight 1 and a row with 3, one of them of weight 2: divided by 5."""
    rows: Rows = [
        ([3, 4, 5], [0.0, 0.0, 1.0]),
        ([6, 7, 8, 9, 10], [0.0, 0.0, 1.0, 2.0, 1.0]),
    ]
    model = make_model()
    with torch.no_grad():
        short, long = (token_losses(model, ids) for ids, _ in rows)
    by_hand = float(short[1] + long[1] + 2 * long[2] + long[3]) / 5
    optimizers = build_optimizers(model, learning_rate=1e-3)
    with packed_mode(model):
        result = train_step(model, pack(rows, 1), SftLoss(), optimizers, max_grad_norm=None)
    assert result.loss == pytest.approx(by_hand, rel=1e-6)
    assert result.loss_weight == 5
    assert result.num_tokens == 8


def test_fit_leaves_the_weights_of_a_plain_peft_loop(tmp_path: Path) -> None:
    """Five steps of different rows with warm-up, cosine, decay and clipping, to 1e-5."""
    steps = [make_rows(4, seed=seed) for seed in range(5)]
    ends = []
    for side in ("core", "plain"):
        torch.manual_seed(1)
        peft_model = add_lora(make_model("qwen2"), rank=4, alpha=8.0)
        if side == "core":
            model = peft_model.get_base_model()
            with packed_mode(model):
                fit(
                    model,
                    lambda step: pack(steps[step], 40),
                    SftLoss(),
                    build_optimizers(model, learning_rate=5e-3, weight_decay=0.1),
                    FitSettings(num_steps=5, warmup_steps=2, max_grad_norm=0.3),
                )
        else:
            train_plainly(peft_model, steps)
        ends.append({n: p.detach() for n, p in peft_model.named_parameters() if p.requires_grad})
    assert largest_gap(ends[0], ends[1]) < 1e-5
    assert max(float(p.abs().max()) for n, p in ends[0].items() if "lora_B" in n) > 1e-3


def train_plainly(peft_model: Any, steps: list[Rows]) -> None:
    parameters = [p for p in peft_model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=5e-3, weight_decay=0.1)
    factors = [0.5, 1.0, 1.0, 0.75, 0.25]  # (1 + cos(pi * k / 3)) / 2 for k = 0, 1, 2 at the end
    peft_model.train()
    for rows, factor in zip(steps, factors, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = 5e-3 * factor
        total = torch.zeros(())
        for ids, mask in rows:
            total = total + (token_losses(peft_model, ids) * torch.tensor(mask[1:])).sum()
        (total / sum(sum(mask[1:]) for _, mask in rows)).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 0.3)
        optimizer.step()
        optimizer.zero_grad()


def test_clipping_bounds_the_move_and_reports_the_norm_before() -> None:
    """Plain gradient descent at rate 1 moves by exactly the clipped gradient."""
    moves, norms = {}, {}
    for limit in (None, 0.05, 1e6):
        model = make_model()
        before = weights(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        with packed_mode(model):
            result = train_step(
                model, pack(make_rows()), SftLoss(), [optimizer], max_grad_norm=limit
            )
        after = weights(model)
        moves[limit] = math.sqrt(sum(float((after[n] - before[n]).square().sum()) for n in after))
        norms[limit] = result.grad_norm
    assert norms[None] == norms[0.05] == norms[1e6] > 0.05
    assert moves[0.05] == pytest.approx(0.05, rel=1e-4)
    assert moves[None] == pytest.approx(norms[None], rel=1e-4)
    assert moves[1e6] == pytest.approx(moves[None], rel=1e-6)


def test_label_smoothing_trains_but_is_not_in_the_reported_mean_of_evaluation() -> None:
    model, (ids, mask) = make_model(), make_rows(1)[0]
    (batch,) = pack([(ids, mask)])
    with torch.no_grad():
        logprobs = model(input_ids=torch.tensor([ids])).logits[0, :-1].float().log_softmax(-1)
    plain = by_hand = 0.0
    for place, weight in enumerate(mask[1:]):
        target = float(logprobs[place, ids[place + 1]])
        plain -= weight * target
        by_hand -= weight * (0.8 * target + 0.2 * float(logprobs[place].mean()))
    with packed_mode(model), torch.no_grad():
        assert float(SftLoss(label_smoothing=0.2)(model, batch)) == pytest.approx(by_hand)
        assert compute_mean_loss(model, [batch]) == pytest.approx(plain / batch.loss_weight)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_gradient_under_a_finite_loss_stops_before_the_step(bad: float) -> None:
    model = make_model()
    before = weights(model)
    model.model.norm.weight.register_hook(lambda grad: grad * bad)
    optimizers = build_optimizers(model, learning_rate=1e-2)
    with packed_mode(model), pytest.raises(TrainingError, match="step before"):
        train_step(model, pack(make_rows()), SftLoss(), optimizers, max_grad_norm=1.0)
    assert largest_gap(before, weights(model)) == 0
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_a_step_without_a_target_is_refused_and_a_micro_batch_without_one_is_not() -> None:
    model = make_model()
    empty: Rows = [([3, 4, 5], [1.0, 0.0, 0.0])]
    optimizers = build_optimizers(model, learning_rate=1e-3)
    with packed_mode(model):
        with pytest.raises(TrainingError, match="without a supervised token"):
            train_step(model, pack(empty), SftLoss(), optimizers, max_grad_norm=1.0)
        result = train_step(
            model, pack(empty + make_rows(2), 1), SftLoss(), optimizers, max_grad_norm=1.0
        )
    assert math.isfinite(result.loss)


def test_bfloat16_autocast_keeps_float32_weights_and_is_close() -> None:
    ends, losses = [], []
    for precision in ("fp32", "bf16"):
        model = make_model()
        optimizers = build_optimizers(model, learning_rate=1e-3)
        with packed_mode(model):
            for _ in range(3):
                result = train_step(
                    model,
                    pack(make_rows()),
                    SftLoss(),
                    optimizers,
                    max_grad_norm=1.0,
                    precision=precision,
                )
        ends.append(weights(model))
        losses.append(result.loss)
    assert {value.dtype for value in ends[1].values()} == {torch.float32}
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)
    assert 0 < largest_gap(*ends) <= 6e-3, "at most two updates of each of three steps"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_neftune_keeps_the_dtype_and_is_gone_afterwards(dtype: torch.dtype) -> None:
    model = make_model().to(dtype)
    (batch,) = pack(make_rows(3))
    with packed_mode(model):
        model.train()
        clean = SftLoss()(model, batch)
        with neftune_noise(model, alpha=5.0):
            noisy = [SftLoss()(model, batch), SftLoss()(model, batch)]
        after = SftLoss()(model, batch)
    assert torch.equal(clean, after)
    assert len({float(loss.detach()) for loss in [clean, *noisy]}) == 3
    noisy[0].backward()  # type: ignore[no-untyped-call]
    assert model.get_input_embeddings().weight.grad.dtype == dtype
