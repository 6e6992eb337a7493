"""Losses of sampled completions on packed groups: equal to each completion by itself."""

import random
from typing import Any

import pytest
import torch
from methods import apply, gradients

from assay.data.answers import Answer, AnswerRow, Sampled
from assay.data.portions import build_answer_batch, split_batch
from assay.losses import policy
from assay.losses.importance import compute_truncated_weights
from assay.losses.kl_estimators import estimate_kl
from assay.models.forward import packed_mode
from assay.train.meter import Meter
from assay.train.policy import POLICY_METRICS, PolicyLoss, PolicySettings

SETTINGS = {
    "grpo": PolicySettings(beta=0.2, importance_cap=1.5, temperature=0.7),
    "gspo": PolicySettings(level="mean", clip_low=0.3, clip_high=0.4),
    "rloo": PolicySettings(level="sum"),
    "cispo": PolicySettings("cispo", clip_high=0.5),
    "rejection": PolicySettings("likelihood"),
}


def make_groups(num: int = 3, *, size: int = 4) -> list[AnswerRow]:
    """Prompts with completions of 1 to 8 tokens, and random numbers of each token."""
    rng = random.Random(4)
    rows = []
    for _ in range(num):
        prompt = [rng.randrange(61) for _ in range(rng.randint(3, 9))]
        answers = []
        for _ in range(size):
            ids = [rng.randrange(61) for _ in range(rng.randint(1, 8))]
            advantage = rng.uniform(-1, 1)
            told = [[-4 + 0.3 * rng.uniform(-1, 1) for _ in ids] for _ in range(3)]
            mask = [0.0] * len(prompt) + [1 / len(ids)] * len(ids)
            sampled = Sampled([advantage] * len(ids), *told)
            answers.append(Answer([*prompt, *ids], mask, sampled=sampled))
        rows.append(AnswerRow(tuple(answers), weight=float(size)))
    return rows


def run_packed(model: Any, rows: list[AnswerRow], loss: PolicyLoss) -> float:
    with packed_mode(model):
        total = loss(model, build_answer_batch(rows))
        total.backward()  # type: ignore[no-untyped-call]
    return float(total.detach())


def run_plainly(model: Any, rows: list[AnswerRow], settings: PolicySettings) -> float:
    """The same loss from full logits, a completion at a time."""
    total = torch.zeros(())
    for answer in (answer for row in rows for answer in row.answers):
        assert answer.sampled is not None
        ids, num = torch.tensor([answer.input_ids]), len(answer.sampled.advantages)
        logits = model(input_ids=ids, use_cache=False).logits[0, -num - 1 : -1].float()
        every = (logits / settings.temperature).log_softmax(-1)
        logprobs = every.gather(1, ids[0, -num:, None]).squeeze(1)
        credit, sampled, old, refs = (
            torch.tensor(getattr(answer.sampled, name))
            for name in ("advantages", "sampled_logprobs", "old_logprobs", "ref_logprobs")
        )
        owners = torch.zeros(num, dtype=torch.long)
        ratios = policy.compute_log_ratios(logprobs, old, owners, level=settings.level)
        if settings.kind == "likelihood":
            losses = -credit * logprobs
        elif settings.kind == "cispo":
            losses = policy.compute_cispo(logprobs, ratios, credit, clip_high=settings.clip_high)
        else:
            losses = policy.compute_clipped(
                ratios, credit, clip_low=settings.clip_low, clip_high=settings.clip_high
            )
        if settings.importance_cap:
            losses = losses * compute_truncated_weights(old, sampled, cap=settings.importance_cap)
        losses = losses + settings.beta * estimate_kl(logprobs, refs, settings.estimator)
        total = total + (losses * torch.tensor(answer.loss_mask[-num:])).sum()
    total.backward()  # type: ignore[no-untyped-call]
    return float(total.detach())


@pytest.mark.parametrize("kind", ["llama", "gemma2 with soft caps", "phi with a biased head"])
@pytest.mark.parametrize("name", SETTINGS)
def test_packed_groups_equal_each_completion_by_itself(kind: str, name: str) -> None:
    rows, settings = make_groups(), SETTINGS[name]
    packed, plain = apply("lora", kind)[1], apply("lora", kind)[1]
    for at, parameter in [*packed.named_parameters(), *plain.named_parameters()]:
        if "lora_B" in at:
            torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(3))
    meter = Meter(POLICY_METRICS)
    found = run_packed(packed, rows, PolicyLoss(settings, meter=meter))
    assert found == pytest.approx(run_plainly(plain, rows, settings), abs=1e-4)
    ours, theirs = gradients(packed), gradients(plain)
    assert max(float((ours[at] - theirs[at]).abs().max()) for at in theirs) < 1e-4
    assert max(float(g.abs().max()) for g in ours.values()) > 1e-3
    assert meter.read("")["entropy"] > 0


def test_parts_of_a_batch_add_up_and_without_advantage_nothing_moves() -> None:
    rows = make_groups()
    model = apply("lora")[1]
    loss = PolicyLoss(SETTINGS["gspo"])
    with packed_mode(model):
        whole = loss(model, build_answer_batch(rows)).item()
        parts = split_batch(build_answer_batch(rows), token_budget=40)
        assert len(parts) > 1
        assert sum(loss(model, part).item() for part in parts) == pytest.approx(whole, abs=1e-5)
    still = [
        AnswerRow(
            tuple(
                Answer(
                    a.input_ids,
                    a.loss_mask,
                    sampled=Sampled([0.0] * len(s.advantages), s.sampled_logprobs, [], []),
                )
                for a in row.answers
                if (s := a.sampled)
            )
        )
        for row in rows
    ]
    assert run_packed(model, still, PolicyLoss(SETTINGS["rloo"])) == 0
    assert all(float(g.abs().max()) == 0 for g in gradients(model).values())
