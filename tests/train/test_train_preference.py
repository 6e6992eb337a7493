"""Preference losses on packed pairs whose prompts are shared: equal to each answer by itself."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from methods import apply, gradients
from pair_rows import build_plainly, make_pairs
from small_models import KINDS, make_model

from assay.data.answers import Answer, AnswerRow
from assay.data.pack import pack_lengths
from assay.data.portions import build_answer_batch, split_batch
from assay.errors import TrainingError
from assay.losses import dpo, ipo, reference_free
from assay.losses.pairs import Pairs
from assay.models import attention
from assay.models.forward import packed_mode
from assay.models.selftest import check_shared
from assay.train.meter import Meter
from assay.train.optimizer import build_optimizers
from assay.train.preference import PAIR_METRICS, PreferenceLoss
from assay.train.step import train_step
from assay.train.techniques import techniques_on

LOSSES: dict[str, Callable[[Pairs], torch.Tensor]] = {
    "sigmoid": partial(dpo.compute_sigmoid, beta=0.1, label_smoothing=0.1),
    "ipo": partial(ipo.compute_ipo, beta=0.1),
    "orpo": reference_free.compute_odds_ratio,
}


def largest_gap(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def run_packed(model: Any, rows: list[AnswerRow], loss: PreferenceLoss) -> float:
    batch = build_answer_batch(rows)
    with packed_mode(model):
        total = loss(model, batch)
        total.backward()  # type: ignore[no-untyped-call]
    return float(total.detach())


@pytest.mark.parametrize("kind", KINDS)
def test_shared_prompts_give_the_loss_and_gradient_of_each_answer_by_itself(kind: str) -> None:
    rows = make_pairs()
    packed, plain = apply("lora", kind)[1], apply("lora", kind)[1]
    for name, parameter in [*packed.named_parameters(), *plain.named_parameters()]:
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(3))
    loss = run_packed(packed, rows, PreferenceLoss(LOSSES["sigmoid"], beta=0.1))
    expected = LOSSES["sigmoid"](build_plainly(plain, rows)).sum()
    expected.backward()  # type: ignore[no-untyped-call]
    assert loss == pytest.approx(float(expected.detach()), abs=1e-4)
    assert largest_gap(gradients(packed), gradients(plain)) < 1e-4
    assert max(float(g.abs().max()) for g in gradients(packed).values()) > 1e-3


@pytest.mark.parametrize("method", ["full", "lora", "dora", "peft prompt", "peft prefix"])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_method_trains_on_pairs(method: str, loss: str) -> None:
    rows = make_pairs()
    _, packed = apply(method)
    wrapped, plain = apply(method)
    found = run_packed(packed, rows, PreferenceLoss(LOSSES[loss], beta=0.1, sft_weight=0.5))
    pairs = build_plainly(wrapped, rows) if "peft" in method else build_plainly(plain, rows)
    nll = reference_free.compute_nll(pairs.chosen_logprobs_P, pairs.num_chosen_P)
    expected = (LOSSES[loss](pairs) + 0.5 * nll).sum()
    expected.backward()  # type: ignore[no-untyped-call]
    assert found == pytest.approx(float(expected.detach()), rel=1e-4)
    assert largest_gap(gradients(packed), gradients(plain)) < 1e-4 * max(1.0, found)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_layers_may_be_computed_twice_instead_of_kept(method: str) -> None:
    rows = make_pairs()
    kept, again = apply(method)[1], apply(method)[1]
    loss = PreferenceLoss(LOSSES["sigmoid"], beta=0.1)
    expected = run_packed(kept, rows, loss)
    with techniques_on(again, ("checkpoint_layers",)):
        assert run_packed(again, rows, loss) == pytest.approx(expected, abs=1e-6)
    assert largest_gap(gradients(again), gradients(kept)) < 1e-6


@pytest.mark.parametrize("kind", ["llama", "mistral with a window", "mamba"])
def test_the_self_test_passes_where_beginnings_are_shared_rightly(kind: str) -> None:
    answers = [answer.input_ids for row in make_pairs(3) for answer in row.answers]
    assert check_shared(make_model(kind), answers) < 1e-4


def test_the_self_test_refuses_attention_that_mixes_up_shared_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A kernel that gives every shared token what the first one gets."""
    plain = attention.packed_attention

    def mix_up(*args: Any, **kwargs: Any) -> Any:
        places_u, first_t = kwargs.pop("spread", None) or (None, None)
        if places_u is None:
            return plain(*args, **kwargs)
        return plain(*args, spread=(places_u, torch.zeros_like(first_t)), **kwargs)

    monkeypatch.setattr(attention, "packed_attention", mix_up)
    answers = [answer.input_ids for row in make_pairs(3) for answer in row.answers]
    with pytest.raises(TrainingError, match="with and without shared prompts"):
        check_shared(make_model(), answers)


def test_common_beginnings_are_computed_once() -> None:
    row = AnswerRow(
        (Answer([5, 6, 7, 8, 9], [0, 0, 0, 1, 1]), Answer([5, 6, 7, 8, 2, 3], [0, 0, 0, 1, 1, 1]))
    )
    batch = build_answer_batch([row])
    assert batch.input_ids == [5, 6, 7, 8, 9, 2, 3]
    assert batch.position_ids == [0, 1, 2, 3, 4, 4, 5]
    assert batch.places == (0, 1, 2, 3, 4, 0, 1, 2, 3, 5, 6)
    assert batch.target_positions == [2, 3, 2, 3, 5]
    assert batch.target_ids == [8, 9, 8, 2, 3]
    assert (batch.num_tokens, row.num_tokens, batch.loss_weight) == (7, 7, 1.0)


def test_the_split_into_micro_batches_leaves_the_same_weights() -> None:
    """One pair a micro-batch, or all in one, and metrics that are of the step."""
    rows, ends, told = make_pairs(8), [], []
    for budget in (1, 40, 10_000):
        model, meter = make_model(), Meter(PAIR_METRICS)
        loss = PreferenceLoss(LOSSES["sigmoid"], beta=0.1, meter=meter)
        optimizers = build_optimizers(model, learning_rate=1e-2, epsilon=1e-3)
        bins = pack_lengths([row.num_tokens for row in rows], token_budget=budget)
        with packed_mode(model):
            for _ in range(3):
                batches = [build_answer_batch([rows[i] for i in own]) for own in bins]
                result = train_step(model, batches, loss, optimizers, max_grad_norm=1.0)
                told.append((result.loss, meter.read("")))
        assert result.loss_weight == 8
        ends.append({n: p.detach().clone() for n, p in model.named_parameters()})
    assert largest_gap(ends[0], ends[2]) < 1e-6
    assert largest_gap(ends[1], ends[2]) < 1e-6
    for (loss_of_one, metrics_of_one), (loss_of_all, metrics_of_all) in zip(
        told[:3], told[6:], strict=True
    ):
        assert loss_of_one == pytest.approx(loss_of_all, abs=1e-6)
        assert metrics_of_one == pytest.approx(metrics_of_all, abs=1e-4)


def test_a_batch_is_divided_between_pairs_alone() -> None:
    rows = make_pairs(7)
    batch = build_answer_batch(rows)
    parts = split_batch(batch, token_budget=30)
    assert len(parts) > 1
    assert sorted(map(id, rows)) == sorted(id(row) for part in parts for row in part.rows)
    assert all(len(part.sequence_lengths) == 2 * len(part.rows) for part in parts)
    assert sum(part.loss_weight for part in parts) == 7
    assert [part.num_parts for part in split_batch(batch, token_budget=1)] == [1] * 7


def test_weights_of_the_tail_are_those_beyond_the_shorter_answer() -> None:
    rows = make_pairs(4)
    model = make_model()
    with packed_mode(model):
        loss = PreferenceLoss(LOSSES["sigmoid"], beta=0.1, tail_weight=0.25)
        found = float(loss(model, build_answer_batch(rows)).detach())
    total = 0.0
    for row in rows:
        shorter = min(int(sum(answer.loss_mask)) for answer in row.answers)
        sums = []
        for answer in row.answers:
            ids = torch.tensor([answer.input_ids])
            logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
            logprobs = logits.log_softmax(-1).gather(1, ids[0, 1:, None]).squeeze(1)
            own = logprobs[-int(sum(answer.loss_mask)) :]
            sums.append(own[:shorter].sum() + 0.25 * own[shorter:].sum() - answer.ref_logprob)
        margin = 0.1 * (sums[0] - sums[1])
        plain = torch.nn.functional.logsigmoid
        total -= float((0.9 * plain(margin) + 0.1 * plain(-margin)).detach())
    assert found == pytest.approx(total, abs=1e-5)


def test_an_identical_pair_has_the_loss_log_two_and_no_gradient() -> None:
    answer = Answer([5, 6, 7, 8], [0.0, 0.0, 1.0, 1.0], ref_logprob=-3.0)
    model = make_model()
    loss = PreferenceLoss(partial(dpo.compute_sigmoid, beta=0.1), beta=0.1)
    found = run_packed(model, [AnswerRow((answer, answer))], loss)
    assert found == pytest.approx(0.6931471805599453, abs=1e-7)
    assert all(float(g.abs().max()) < 1e-7 for g in gradients(model).values())
