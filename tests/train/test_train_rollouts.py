"""Rollouts: what is sampled, how it becomes rows, resumption in the middle, and that it learns."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from methods import apply
from rollout_parts import Alone, make_rollouts
from small_models import make_model

from assay.errors import CheckpointError
from assay.models.as_base import adapters_off
from assay.models.forward import packed_mode
from assay.train.answers import compute_answer_logprobs
from assay.train.credit import BestOfCredit
from assay.train.fit import FitSettings, drain, fit_steps
from assay.train.meter import Meter
from assay.train.optimizer import build_optimizers
from assay.train.policy import POLICY_METRICS, PolicyLoss, PolicySettings
from assay.train.rollout_rows import build_stand_in
from assay.train.rollout_stats import ROLLOUT_METRICS

Told = list[tuple[list[int], list[float]]]


def list_answers(batches: Any) -> list[Any]:
    return [answer for batch in batches for row in batch.rows for answer in row.answers]


def show(batches: Any) -> Told:
    """Every answer with its advantages, in an order of its own."""
    return sorted((a.input_ids, a.sampled.advantages) for a in list_answers(batches))


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_log_probabilities_of_a_rollout_are_those_of_a_fresh_pass(temperature: float) -> None:
    model = make_model("gemma2 with soft caps")
    rollouts = make_rollouts(model, temperature=temperature, max_new_tokens=12)
    with packed_mode(model):
        batches = rollouts(0)
        assert model.config._attn_implementation == "assay_packed"
        for batch in batches:
            with torch.no_grad():
                found = compute_answer_logprobs(model, batch, temperature=temperature)
            told = [x for a in list_answers([batch]) for x in a.sampled.sampled_logprobs]
            torch.testing.assert_close(found.logprobs_N, torch.tensor(told), atol=1e-4, rtol=1e-4)
    answers = list_answers(batches)
    assert len(answers) == 12
    assert any(a.input_ids[-1] == 2 for a in answers), "a stop token is learned with the rest"


def test_a_rollout_follows_weights_number_and_seed_alone() -> None:
    model = make_model()
    with packed_mode(model):
        first, again, later = (make_rollouts(model)(n) for n in (0, 0, 1))
        other = make_rollouts(model, seed=1)(0)
    assert show(first) == show(again)
    assert show(first) != show(later) and show(first) != show(other)


def test_two_ranks_sample_together_what_one_samples() -> None:
    model = make_model()
    with packed_mode(model):
        whole = show(make_rollouts(model)(0))
        parts = [show(make_rollouts(model, ranks=Alone(n, 2))(0)) for n in (0, 1)]
    assert all(parts)
    joined = sorted(parts[0] + parts[1])
    assert [ids for ids, _ in joined] == [ids for ids, _ in whole]
    for (_, ours), (_, theirs) in zip(joined, whole, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_weights_of_tokens_follow_the_average() -> None:
    model = make_model()
    with packed_mode(model):
        by_completion = make_rollouts(model)(0)
        by_token = make_rollouts(model, average="token")(0)
    assert sum(batch.loss_weight for batch in by_completion) == 12
    for batches, expected in ((by_completion, 1.0), (by_token, None)):
        for answer in list_answers(batches):
            num = len(answer.sampled.advantages)
            assert sum(answer.loss_mask) == pytest.approx(num if expected is None else expected)
            assert not any(answer.loss_mask[:-num])
    tokens = sum(len(a.sampled.advantages) for a in list_answers(by_token))
    assert sum(batch.loss_weight for batch in by_token) == tokens


def test_several_updates_learn_from_one_rollout_and_go_on_after_an_interruption(
    tmp_path: Path,
) -> None:
    model = make_model()
    with packed_mode(model):
        rollouts = make_rollouts(model, updates=2, folder=tmp_path)
        first, second = rollouts(0), rollouts(1)
        assert show(first) == show(second)
        assert all(a.sampled.old_logprobs for a in list_answers(first))
        with torch.no_grad():
            next(iter(model.parameters())).mul_(1.5)
        resumed = make_rollouts(model, updates=2, folder=tmp_path)(1)
        assert resumed == second
        given: dict[str, Any] = {"updates": 2, "folder": tmp_path}
        shares = [make_rollouts(model, ranks=Alone(n, 2), **given)(1) for n in (0, 1)]
        assert sorted(show(shares[0]) + show(shares[1])) == show(second)
        next(tmp_path.glob("*.jsonl")).unlink()
        with pytest.raises(CheckpointError, match="step 0"):
            make_rollouts(model, updates=2, folder=tmp_path)(1)


def test_rollouts_that_no_checkpoint_needs_are_dropped(tmp_path: Path) -> None:
    model = make_model()
    with packed_mode(model):
        rollouts = make_rollouts(model, updates=2, folder=tmp_path, oldest=3)
        for step in range(6):
            rollouts(step)
    assert sorted(path.name[:13] for path in tmp_path.iterdir()) == [
        "step-00000002",
        "step-00000004",
    ]


def test_prompts_whose_completions_are_all_alike_give_way_to_others() -> None:
    model = make_model()
    with packed_mode(model):
        rollouts = make_rollouts(model, dynamic_sampling=4, batch_size=2, max_new_tokens=1)
        plain = make_rollouts(model, batch_size=2, max_new_tokens=1)
        for step in range(4):
            rollouts(step), plain(step)
            ids = {group.prompt.record_id for group in rollouts.groups}
            assert len(ids) == len(rollouts.groups)
            alike = [group for group in rollouts.groups if not group.is_informative]
            assert not alike or len(alike) == len(rollouts.groups)
            wanted = {group.prompt.record_id for group in plain.groups if group.is_informative}
            assert wanted <= ids or alike


def test_the_reference_is_the_model_without_its_adapters() -> None:
    model = apply("lora")[1]
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)

    @contextmanager
    def as_base() -> Iterator[Any]:
        with adapters_off(model):
            yield model

    with packed_mode(model):
        batches = make_rollouts(model, as_reference=as_base, needs_reference=True)(0)
        for batch in batches:
            with torch.no_grad(), adapters_off(model):
                found = compute_answer_logprobs(model, batch)
            told = [x for a in list_answers([batch]) for x in a.sampled.ref_logprobs]
            torch.testing.assert_close(found.logprobs_N, torch.tensor(told))
            own = compute_answer_logprobs(model, batch).logprobs_N
            assert float((own - torch.tensor(told)).abs().max()) > 1e-2
        taken = make_rollouts(model, as_reference=as_base, kl_in_reward=0.5)(0)
    assert show(taken) != show(batches)


def test_best_of_n_learns_the_best_alone_and_a_step_without_any_teaches_nothing() -> None:
    model = make_model()
    with packed_mode(model):
        best = list_answers(make_rollouts(model, credit=BestOfCredit(1, 0.0))(0))
        none = list_answers(make_rollouts(model, credit=BestOfCredit(1, 2.0))(0))
    assert len(best) == 3 and all(set(a.sampled.advantages) == {1.0} for a in best)
    assert len(none) == 12 and all(set(a.sampled.advantages) == {0.0} for a in none)


@pytest.mark.parametrize("kind", ["clipped", "likelihood"])
def test_the_reward_rises(kind: Any) -> None:
    model = make_model()
    meter = Meter((*ROLLOUT_METRICS, *POLICY_METRICS))
    credit = BestOfCredit(1, 0.0) if kind == "likelihood" else None
    rollouts = make_rollouts(model, credit=credit, group_size=8, temperature=1.0)
    loss = PolicyLoss(PolicySettings(kind, importance_cap=2.0), meter=meter, tell=rollouts.tell)
    records: list[dict[str, Any]] = []
    optimizers = build_optimizers(model, learning_rate=0.02, name="adamw")
    with packed_mode(model):
        steps = fit_steps(model, rollouts, loss, optimizers, FitSettings(num_steps=12), meter=meter)
        drain(steps, records.append)
    assert records[0]["train/reward"] < 0.5
    assert records[-1]["train/reward"] > records[0]["train/reward"] + 0.3
    if kind == "clipped":
        assert records[0]["train/importance"] == pytest.approx(1.0, abs=1e-4)


def test_the_stand_in_is_as_large_as_a_micro_batch_may_be() -> None:
    batch = build_stand_in([1, 2, 3], num_answers=8, num_tokens=5, token_budget=20)
    assert batch.num_tokens == 3 + 3 * 5
    assert len(batch.target_ids) == 15
