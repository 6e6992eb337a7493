"""Losses of sampled completions equal TRL's own code on the same tensors, value and gradient."""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from assay.losses import advantages, policy
from assay.losses.averages import Average, weigh_completion
from assay.losses.importance import compute_truncated_weights
from assay.losses.kl_estimators import estimate_kl

LENGTHS = (3, 8, 1, 6)
LIMIT = 8


def draw(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Per-token log-probabilities, padded, and the tokens that count."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(LIMIT)[None, :] < torch.tensor(LENGTHS)[:, None]
    return -torch.rand(len(LENGTHS), LIMIT, generator=generator) * mask, mask


OLD, MASK = draw(1)
REFS, SAMPLED = draw(2)[0], draw(3)[0]
ADVANTAGES = torch.tensor([1.3, -0.6, 0.9, -1.6])
OWNERS = torch.arange(len(LENGTHS)).repeat_interleave(torch.tensor(LENGTHS))


def run_trl(logprobs: torch.Tensor, trainer: str = "grpo", **settings: Any) -> torch.Tensor:
    """The loss of TRL's trainer, whose model gives these log-probabilities."""
    trl = pytest.importorskip("trl")
    accelerator = SimpleNamespace(
        device="cpu", num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x
    )
    fake = SimpleNamespace(
        model=SimpleNamespace(training=True),
        accelerator=accelerator,
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level=settings.get("level", "token"),
        loss_type=settings.get("loss_type", "grpo"),
        beta=settings.get("beta", 0.0),
        epsilon_low=settings.get("epsilon_low", 0.2),
        epsilon_high=settings.get("epsilon_high", 0.2),
        args=SimpleNamespace(use_bias_correction_kl=False, delta=None, steps_per_generation=1),
        use_vllm="ratio" in settings,
        vllm_importance_sampling_correction=True,
        current_gradient_accumulation_steps=1,
        max_completion_length=LIMIT,
        _entropy_bonus_enabled=False,
        _metrics={"train": defaultdict(list)},
        _get_per_token_logps_and_entropies=lambda *a, **k: (logprobs, logprobs * 0, None),
    )
    mask = MASK.long()
    inputs = {
        "prompt_ids": torch.ones(len(LENGTHS), 2, dtype=torch.long),
        "prompt_mask": torch.ones(len(LENGTHS), 2, dtype=torch.long),
        "completion_ids": mask,
        "completion_mask": mask,
        "advantages": ADVANTAGES,
        "old_per_token_logps": OLD,
        "old_logps": OLD.sum(1),
        "ref_per_token_logps": REFS,
        "num_items_in_batch": mask.sum(),
        "importance_sampling_ratio": settings.get("ratio"),
    }
    kind = trl.RLOOTrainer if trainer == "rloo" else trl.GRPOTrainer
    loss: torch.Tensor = kind._compute_loss(fake, None, inputs)
    return loss


def run_ours(
    logprobs: torch.Tensor,
    *,
    average: Average = "completion",
    level: policy.Level = "token",
    clip: tuple[float, float] = (0.2, 0.2),
    beta: float = 0.0,
    cispo: bool = False,
    cap: float | None = None,
) -> torch.Tensor:
    """Ours of the same tokens without padding."""
    own, old, refs = logprobs[MASK], OLD[MASK], REFS[MASK]
    credit = ADVANTAGES[OWNERS]
    ratios = policy.compute_log_ratios(own, old, OWNERS, level=level)
    if cispo:
        losses = policy.compute_cispo(own, ratios, credit, clip_high=clip[1])
    else:
        losses = policy.compute_clipped(ratios, credit, clip_low=clip[0], clip_high=clip[1])
    if cap:
        losses = losses * compute_truncated_weights(old, SAMPLED[MASK], cap=cap)
    if beta:
        losses = losses + beta * estimate_kl(own, refs, "k3")
    told = [weigh_completion(n, average=average, max_new_tokens=LIMIT) for n in LENGTHS]
    weights = torch.tensor([weight for weight, _ in told])[OWNERS]
    return (losses * weights).sum() / sum(divisor for _, divisor in told)


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "grpo": ({}, {}),
    "grpo with the divergence": ({"beta": 0.3}, {"beta": 0.3}),
    "dr_grpo": ({"average": "length_limit"}, {"loss_type": "dr_grpo"}),
    "dapo": (
        {"average": "token", "clip": (0.2, 0.28)},
        {"loss_type": "dapo", "epsilon_high": 0.28},
    ),
    "gspo": (
        {"level": "mean", "clip": (0.1, 0.15)},
        {"level": "sequence", "epsilon_low": 0.1, "epsilon_high": 0.15},
    ),
    "cispo": (
        {"average": "token", "cispo": True, "clip": (0.0, 0.2), "beta": 0.1},
        {"loss_type": "cispo", "epsilon_high": 1.2, "beta": 0.1},
    ),
    "rloo": ({"level": "sum"}, {"trainer": "rloo"}),
    "truncated importance sampling": (
        {"cap": 1.5, "average": "token"},
        {"loss_type": "dapo", "ratio": (OLD - SAMPLED).exp().clamp(max=1.5)},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_losses_equal_trl(case: str) -> None:
    ours, theirs = CASES[case]
    values, gradients = [], []
    for compute, settings in ((run_ours, ours), (run_trl, theirs)):
        logprobs = draw(0)[0].requires_grad_()
        loss = compute(logprobs, **settings)
        loss.backward()  # type: ignore[no-untyped-call]
        assert logprobs.grad is not None
        values.append(loss.detach())
        gradients.append(logprobs.grad * MASK)
    torch.testing.assert_close(*values, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)
    assert float(gradients[0].abs().max()) > 1e-2


def test_advantages_equal_trl() -> None:
    """TRL's lines stand inside its rollout: these are its functions, put together alike."""
    pytest.importorskip("trl")
    from trl.trainer.utils import nanstd

    rewards = torch.tensor([[1.0, 0.0, 0.5], [0.2, 0.2, 0.8]])
    means, stds = torch.nanmean(rewards, dim=1), nanstd(rewards, dim=1)
    theirs = (rewards - means[:, None]) / (stds[:, None] + 1e-4)
    torch.testing.assert_close(advantages.compute_group_advantages(rewards), theirs)
    others = (rewards.sum(1, keepdim=True) - rewards) / 2
    torch.testing.assert_close(advantages.compute_leave_one_out(rewards), rewards - others)
