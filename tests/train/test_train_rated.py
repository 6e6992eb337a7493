"""KTO on packed rated answers: equal to each answer by itself, and read once for a whole step."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from methods import gradients
from pair_rows import make_rated, sum_plainly
from small_models import make_model

from assay.data import TokenSequence
from assay.data.answers import AnswerRow
from assay.data.mismatch import add_mismatched
from assay.data.pack import pack_lengths
from assay.data.portions import build_answer_batch
from assay.losses.kto import compute_shift
from assay.models.forward import packed_mode
from assay.train.meter import Meter
from assay.train.optimizer import build_optimizers
from assay.train.rated import RATED_METRICS, RatedLoss
from assay.train.sft import compute_mean_loss
from assay.train.step import train_step


def batch(rows: list[AnswerRow], budget: int) -> list[Any]:
    bins = pack_lengths([row.num_tokens for row in rows], token_budget=budget)
    return [build_answer_batch([rows[i] for i in own]) for own in bins]


def compute_by_hand(model: Any, rows: list[AnswerRow]) -> tuple[torch.Tensor, float]:
    """Equation 7 of the paper, with weights 2 and 0.5, and its estimate of the divergence."""
    with torch.no_grad():
        moved = []
        for row in rows:
            assert row.mismatched is not None
            moved.append(float(sum_plainly(model, row.mismatched)) - row.mismatched.ref_logprob)
    kl = max(0.0, sum(moved) / len(moved))
    total = torch.zeros(())
    for row in rows:
        (answer,) = row.answers
        ratio = sum_plainly(model, answer) - answer.ref_logprob
        sign, weight = (1, 2.0) if row.is_wanted else (-1, 0.5)
        total = total + weight * (1 - torch.sigmoid(sign * 0.1 * (ratio - kl)))
    return total, kl


@pytest.mark.parametrize("budget", [1, 40, 10_000])
def test_a_step_has_the_loss_of_the_equation_however_it_is_split(budget: int) -> None:
    rows = make_rated()
    packed, plain, meter = make_model(), make_model(), Meter(RATED_METRICS)
    loss = RatedLoss(beta=0.1, wanted_weight=2.0, unwanted_weight=0.5, meter=meter)
    expected, kl = compute_by_hand(plain, rows)
    assert kl > 0
    (expected / len(rows)).backward()  # type: ignore[no-untyped-call]
    batches = batch(rows, budget)
    with packed_mode(packed):
        loss.begin_step(packed, batches)
        total = sum(loss(packed, one) for one in batches) / len(rows)
        assert isinstance(total, torch.Tensor)
        total.backward()  # type: ignore[no-untyped-call]
    assert loss.kl == pytest.approx(kl, abs=1e-5)
    assert float(total.detach()) == pytest.approx(float(expected.detach()) / len(rows), abs=1e-6)
    ours, theirs = gradients(packed), gradients(plain)
    assert max(float((ours[n] - theirs[n]).abs().max()) for n in theirs) < 1e-5
    assert max(float(g.abs().max()) for g in theirs.values()) > 1e-3
    told = meter.read("")
    assert set(told) == set(RATED_METRICS)
    assert told["kl"] == pytest.approx(kl, abs=1e-5)


@pytest.mark.parametrize("budget", [1, 40, 10_000])
def test_a_classifier_of_ratings_is_shifted_to_the_middle_of_both_kinds(budget: int) -> None:
    """BCO by hand: δ is half the sum of both kinds' mean rewards, over the whole step."""
    rows, packed, plain = make_rated(), make_model(), make_model()
    ratios = [sum_plainly(plain, r.answers[0]) - r.answers[0].ref_logprob for r in rows]
    told = [(r.is_wanted, 0.1 * float(x.detach())) for r, x in zip(rows, ratios, strict=True)]
    wanted, unwanted = ([x for flag, x in told if flag is kind] for kind in (True, False))
    delta = (sum(wanted) / len(wanted) + sum(unwanted) / len(unwanted)) / 2
    expected = torch.zeros(())
    for row, ratio in zip(rows, ratios, strict=True):
        sign = 1 if row.is_wanted else -1
        expected = expected - torch.log(torch.sigmoid(sign * (0.1 * ratio - delta)))
    (expected / len(rows)).backward()  # type: ignore[no-untyped-call]
    loss, batches = RatedLoss(beta=0.1, loss="bco"), batch(rows, budget)
    with packed_mode(packed):
        loss.begin_step(packed, batches)
        total = sum(loss(packed, one) for one in batches) / len(rows)
        assert isinstance(total, torch.Tensor)
        total.backward()  # type: ignore[no-untyped-call]
    assert loss.kl == pytest.approx(delta / 0.1, abs=1e-4)
    assert float(total.detach()) == pytest.approx(float(expected.detach()) / len(rows), abs=1e-5)
    ours, theirs = gradients(packed), gradients(plain)
    assert max(float((ours[n] - theirs[n]).abs().max()) for n in theirs) < 1e-5
    assert compute_shift(3.0, 2.0, 0.0, 0.0) == 1.5


def test_the_split_into_micro_batches_leaves_the_same_weights() -> None:
    rows, ends = make_rated(), []
    for budget in (1, 10_000):
        model = make_model()
        optimizers = build_optimizers(model, learning_rate=1e-2, epsilon=1e-3)
        loss = RatedLoss(beta=0.1)
        with packed_mode(model):
            for _ in range(3):
                train_step(model, batch(rows, budget), loss, optimizers, max_grad_norm=1.0)
        ends.append({n: p.detach().clone() for n, p in model.named_parameters()})
    assert max(float((ends[0][n] - ends[1][n]).abs().max()) for n in ends[0]) < 1e-6


def test_validation_estimates_the_divergence_of_its_own_rows() -> None:
    rows, model = make_rated(), make_model()
    total, _ = compute_by_hand(model, rows)
    loss = RatedLoss(beta=0.1, wanted_weight=2.0, unwanted_weight=0.5)
    with packed_mode(model):
        found = compute_mean_loss(model, batch(rows, 40), loss=loss)
    assert found == pytest.approx(float(total.detach()) / len(rows), abs=1e-6)


def test_without_other_answers_the_estimate_is_nought() -> None:
    rows = [replace(row, mismatched=None) for row in make_rated(2)]
    model, loss = make_model(), RatedLoss(beta=0.1)
    with packed_mode(model):
        loss.begin_step(model, batch(rows, 100))
        found = float(loss(model, build_answer_batch(rows)).detach())
    ratios = [
        float(sum_plainly(model, r.answers[0]).detach()) - r.answers[0].ref_logprob for r in rows
    ]
    assert found == pytest.approx(
        sum(1 / (1 + math.exp(0.1 * ratio)) for ratio in ratios), abs=1e-5
    )
    assert loss.kl == 0


def make_sequence(prompt: list[int], answer: list[int]) -> TokenSequence:
    mask = [0.0] * len(prompt) + [1.0] * len(answer)
    return TokenSequence([*prompt, *answer], mask, f"{prompt}{answer}", "chat", "", is_wanted=True)


def test_every_prompt_gets_the_answer_of_another() -> None:
    sequences = [make_sequence([n, n], [n + 50] * (n + 1)) for n in range(9)]
    sequences.append(make_sequence([0, 0], [99]))
    found = add_mismatched(sequences, seed=3, max_seq_len=6)
    assert found == add_mismatched(sequences, seed=3, max_seq_len=6)
    assert found != add_mismatched(sequences, seed=4, max_seq_len=6)
    for own in found:
        other = own.mismatched
        assert other is not None
        assert other.input_ids[:2] == own.input_ids[:2]
        assert other.loss_mask[:2] == [0.0, 0.0] and set(other.loss_mask[2:]) == {1.0}
        assert other.input_ids[2] not in own.input_ids
        assert len(other.input_ids) <= 6
        # Two rows ask the same: neither has the other's answer.
        assert not (own.input_ids[0] == 0 and other.input_ids[2] in (50, 99))


def test_rows_of_one_prompt_have_no_other_answer() -> None:
    rows = [make_sequence([1, 2], [answer]) for answer in (3, 4)]
    assert [row.mismatched for row in add_mismatched(rows, seed=0, max_seq_len=9)] == [None, None]
