"""PPO: a value head beside the policy, credit by hand, the loss by hand, and that both learn."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from methods import apply
from rollout_parts import make_rollouts
from small_models import make_model

from assay.models.as_base import adapters_off
from assay.models.forward import packed_mode
from assay.models.value_head import add_value_head, has_value_head, remove_value_head
from assay.train.checkpoint import Checkpoints, trainable_tensors
from assay.train.credit import GaeCredit, Graded
from assay.train.fit import FitSettings, fit_steps
from assay.train.kl_control import KlControl
from assay.train.meter import Meter
from assay.train.optimizer import build_optimizers
from assay.train.policy import POLICY_METRICS, VALUE_METRICS, PolicyLoss, PolicySettings
from assay.train.rollout_stats import ROLLOUT_METRICS

SETTINGS = PolicySettings(importance_cap=2.0, value_weight=0.5, value_clip=0.2)


def make_valued(kind: str = "llama", *, random: bool = True) -> Any:
    model = add_value_head(make_model(kind))
    if random:
        torch.nn.init.normal_(model.value_head.weight, std=0.3)
    return model


def roll_out(model: Any, **settings: Any) -> Any:
    return make_rollouts(
        model, credit=GaeCredit(lam=0.9), needs_values=True, average="token", **settings
    )


def list_answers(batches: Any) -> list[Any]:
    return [answer for batch in batches for row in batch.rows for answer in row.answers]


def run_plainly(model: Any, answer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and values of an answer's tokens, the sequence by itself."""
    ids = torch.tensor([answer.input_ids])
    output = model(input_ids=ids, use_cache=False, output_hidden_states=True)
    num = len(answer.sampled.advantages)
    logprobs = output.logits[0, :-1].float().log_softmax(-1).gather(1, ids[0, 1:, None])[-num:, 0]
    hidden = output.hidden_states[-1][0, :-1][-num:]
    return logprobs, model.value_head(hidden)[:, 0]


def test_credit_is_that_of_the_equations() -> None:
    """Two completions of 2 and 3 tokens: δ, Â and R by the recursion, written out."""
    graded = Graded(
        torch.tensor([[1.0, 0.5]]),
        [2, 3],
        torch.tensor([0.1, 0.0, 0.0, 0.2, 0.0]),
        torch.tensor([0.3, 0.6, 0.1, 0.2, 0.4]),
    )
    gamma, lam = 0.9, 0.8
    a1 = 1.0 - 0.6
    a0 = (-0.1 + gamma * 0.6 - 0.3) + gamma * lam * a1
    b2 = 0.5 - 0.4
    b1 = (-0.2 + gamma * 0.4 - 0.2) + gamma * lam * b2
    b0 = (gamma * 0.2 - 0.1) + gamma * lam * b1
    raw = torch.tensor([a0, a1, b0, b1, b2])
    credit = GaeCredit(gamma, lam)
    returns = credit.compute_returns(graded)
    assert graded.values_N is not None
    torch.testing.assert_close(returns, raw + graded.values_N)
    advantages, kept = credit.assign(graded)
    torch.testing.assert_close(advantages, (raw - raw.mean()) / (raw.std() + 1e-4))
    assert kept == [True, True]


@pytest.mark.parametrize("kind", ["llama", "gemma2 with soft caps"])
def test_a_rollout_knows_what_was_expected_and_what_came(kind: str) -> None:
    model = make_valued(kind)
    with packed_mode(model):
        answers = list_answers(roll_out(model)(0))
    every = [x for a in answers for x in a.sampled.advantages]
    assert len(answers) == 12
    assert sum(every) / len(every) == pytest.approx(0, abs=1e-5)
    for answer in answers:
        with torch.no_grad():
            logprobs, values = run_plainly(model, answer)
        told = answer.sampled
        torch.testing.assert_close(torch.tensor(told.values), values, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(torch.tensor(told.old_logprobs), logprobs, atol=1e-4, rtol=1e-4)
        assert len(told.returns) == len(told.values) == len(told.advantages)


def test_the_loss_is_that_of_policy_and_value_by_hand() -> None:
    model = make_valued()
    meter = Meter((*POLICY_METRICS, *VALUE_METRICS))
    with packed_mode(model):
        batches = roll_out(model, updates=2)(0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1.02)
        loss = sum(PolicyLoss(SETTINGS, meter=meter)(model, batch) for batch in batches)
        assert isinstance(loss, torch.Tensor)
        loss.backward()  # type: ignore[no-untyped-call]
    found = model.value_head.weight.grad.clone()
    model.zero_grad()
    total = torch.zeros(())
    for answer in list_answers(batches):
        logprobs, values = run_plainly(model, answer)
        told = answer.sampled
        old, sampled, advantages, before, returns = (
            torch.tensor(getattr(told, name))
            for name in ("old_logprobs", "sampled_logprobs", "advantages", "values", "returns")
        )
        ratio = (logprobs - old).exp()
        clipped = torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages)
        near = before + (values - before).clamp(-0.2, 0.2)
        errors = torch.maximum((values - returns) ** 2, (near - returns) ** 2) / 2
        weights = (old - sampled).exp().clamp(max=2.0)
        total = total + (-clipped * weights + 0.5 * errors).sum()
    total.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(float(total.detach()), abs=1e-3)
    torch.testing.assert_close(found, model.value_head.weight.grad, atol=1e-3, rtol=1e-3)
    assert meter.read("")["value_loss"] > 0


def train(model: Any, folder: Path, *, stop_after: int, resume: bool = False) -> list[Any]:
    """Metrics of up to 12 steps of PPO on LoRA, two updates a rollout, led to a target."""

    @contextmanager
    def as_base() -> Iterator[Any]:
        with adapters_off(model):
            yield model

    with packed_mode(model):
        rollouts = roll_out(
            model,
            updates=2,
            kl_in_reward=0.1,
            needs_reference=True,
            as_reference=as_base,
            folder=folder / "rollouts",
        )
        rollouts.control = KlControl(
            0.1, target=0.05, horizon=50, path=folder / "rollouts" / "kl.jsonl"
        )
        meter = Meter((*ROLLOUT_METRICS, *POLICY_METRICS, *VALUE_METRICS, "beta"))
        loss = PolicyLoss(SETTINGS, meter=meter, tell=rollouts.tell)
        steps = fit_steps(
            model,
            rollouts,
            loss,
            build_optimizers(model, learning_rate=2e-2),
            FitSettings(num_steps=12),
            checkpoints=Checkpoints(folder / "checkpoints"),
            resume=resume,
            seed=3,
            meter=meter,
        )
        records = []
        for record in steps:
            records.append({k: v for k, v in record.items() if k != "tokens_per_s"})
            if record["step"] == stop_after:
                break
        steps.close()
    return records


def make_policy() -> Any:
    return add_value_head(apply("lora")[1])


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    """Interrupted between two updates of one rollout; the value head and the weight go on too."""
    whole = make_policy()
    expected = train(whole, tmp_path / "whole", stop_after=12)
    train(make_policy(), tmp_path / "parts", stop_after=5)
    resumed = make_policy()
    found = train(resumed, tmp_path / "parts", stop_after=12, resume=True)
    # What a rollout measured is told with its first update alone.
    assert found[1:] == expected[6:]
    weights = trainable_tensors(resumed)
    assert {"value_head.weight", "value_head.bias"} <= weights.keys()
    for name, value in trainable_tensors(whole).items():
        assert torch.equal(value, weights[name]), name
    assert len({record["train/beta"] for record in expected}) > 3


def test_policy_and_value_learn() -> None:
    model = make_valued(random=False)
    meter = Meter((*ROLLOUT_METRICS, *POLICY_METRICS, *VALUE_METRICS))
    rollouts = roll_out(model, group_size=8)
    loss = PolicyLoss(SETTINGS, meter=meter, tell=rollouts.tell)
    optimizers = build_optimizers(model, learning_rate=2e-2)
    settings = FitSettings(num_steps=12)
    with packed_mode(model):
        told = list(fit_steps(model, rollouts, loss, optimizers, settings, meter=meter))
    assert told[-1]["train/reward"] > told[0]["train/reward"] + 0.2
    assert (told[0]["train/value"], told[-1]["train/value"] > 0.2) == (0.0, True)
    remove_value_head(model)
    assert not has_value_head(model)
    assert not any("value_head" in name for name, _ in model.named_parameters())
