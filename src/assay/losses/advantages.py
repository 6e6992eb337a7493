"""How much better than expected a completion, or one of its tokens, was: credit from rewards.

Pure functions of rewards, without gradient. Shape legend: P prompts, G completions of each, S = P G
completions, N tokens; tokens stand completion by completion.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-4
"""Beside a standard deviation in a divisor; that of the published code of GRPO and of TRL."""


def compute_group_advantages(rewards_PG: Tensor, *, scale: bool = True) -> Tensor:
    """``(r - mean) / (std + 1e-4)`` within a prompt's completions; without `scale`, ``r - mean``.

    With it Shao et al. 2024 ("DeepSeekMath", GRPO, section 4.1.2); without, Liu et al. 2025 ("Dr.
    GRPO"), which drops the divisor since it makes prompts of which nearly all or nearly none are
    solved weigh most. The deviation is the unbiased one; of a single completion the result is 0.
    """
    gaps_PG = rewards_PG - rewards_PG.mean(1, keepdim=True)
    if not scale or rewards_PG.shape[1] < 2:
        return gaps_PG
    return gaps_PG / (rewards_PG.std(1, keepdim=True) + EPSILON)


def compute_leave_one_out(rewards_PG: Tensor) -> Tensor:
    """``r_i - mean of the other completions' rewards``: RLOO's baseline, for G of at least 2.

    Kool et al. 2019 ("Buy 4 REINFORCE samples, get a baseline for free!"); Ahmadian et al. 2024
    ("Back to basics: revisiting REINFORCE style optimization").
    """
    num = rewards_PG.shape[1]
    return (rewards_PG - rewards_PG.mean(1, keepdim=True)) * (num / (num - 1))


def normalise(values: Tensor, *, centre: bool = True) -> Tensor:
    """``(x - mean) / (std + 1e-4)`` over all of `values`; one value alone becomes 0.

    Over a whole batch this is the advantage of REINFORCE++ (Hu 2025), and what PPO's
    code does to its advantages. Without `centre` the mean stays.
    """
    if values.numel() < 2:
        return torch.zeros_like(values)
    gaps = values - values.mean() if centre else values
    return gaps / (values.std() + EPSILON)


def compute_returns(rewards_N: Tensor, lengths: list[int], *, gamma: float = 1.0) -> Tensor:
    """``R_t = Σ_{k ≥ t} γ^(k-t) r_k`` of every token within its completion, shape (N,).

    The return of REINFORCE (Williams 1992); with ``r_t = 1[t = T] r - β k1_t`` that of REINFORCE++
    (Hu 2025, "REINFORCE++").
    """
    zeros_N = torch.zeros_like(rewards_N)
    return compute_gae(rewards_N, zeros_N, lengths, gamma=gamma, lam=1.0)


def compute_gae(
    rewards_N: Tensor, values_N: Tensor, lengths: list[int], *, gamma: float = 1.0, lam: float
) -> Tensor:
    """``A_t = Σ_l (γλ)^l δ_{t+l}``, ``δ_t = r_t + γ V_{t+1} - V_t``; V is 0 after the last token.

    Schulman et al. 2015 ("High-dimensional continuous control using generalized advantage
    estimation"), equation 16. Advantages plus values are the targets of the value function.

    Args:
        rewards_N: of each token, float32.
        values_N: what was expected before each token, float32; no gradient.
        lengths: tokens of each completion; they sum to N.
        gamma: discount, in [0, 1].
        lam: 1 gives returns less values, 0 the one-step error; in [0, 1].
    """
    parts = []
    values_N = values_N.detach()
    pairs = zip(torch.split(rewards_N, lengths), torch.split(values_N, lengths), strict=True)
    for rewards_T, values_T in pairs:
        after_T = torch.cat([values_T[1:], values_T.new_zeros(min(1, len(values_T)))])
        deltas = (rewards_T + gamma * after_T - values_T).tolist()
        total, found = 0.0, []
        for delta in reversed(deltas):
            total = delta + gamma * lam * total
            found.append(total)
        parts.append(values_T.new_tensor(found[::-1]))
    return torch.cat(parts) if parts else rewards_N.new_zeros(0)


def shape_overlong(
    rewards_S: Tensor, num_tokens_S: Tensor, *, max_new_tokens: int, margin: int
) -> Tensor:
    """Rewards less a penalty that grows from 0 to 1 over the last `margin` tokens of room.

    ``0`` up to ``L - margin`` tokens, ``(L - margin - |y|) / margin`` up to L: Yu et al. 2025
    ("DAPO", soft overlong punishment, equation 13). No `margin` leaves them as they are.
    """
    if not margin:
        return rewards_S
    over_S = (num_tokens_S - (max_new_tokens - margin)).to(rewards_S.dtype)
    return rewards_S - (over_S / margin).clamp(0, 1)
