"""The loss of preference pairs that a recipe names, with its settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from assay.config.sections.pairs import CpoConfig, DpoConfig, OrpoConfig, SimpoConfig

if TYPE_CHECKING:
    from torch import Tensor

    from assay.losses.pairs import Pairs


def choose_pair_loss(
    objective: DpoConfig | OrpoConfig | SimpoConfig | CpoConfig,
) -> Callable[[Pairs], Tensor]:
    """The loss of each pair that an objective names, with its settings."""
    from assay.losses import reference_free

    smoothing = getattr(objective, "label_smoothing", 0.0)
    if isinstance(objective, DpoConfig):
        return _choose_dpo_loss(objective)
    if isinstance(objective, OrpoConfig):
        return lambda pairs: objective.beta * reference_free.compute_odds_ratio(pairs)
    if isinstance(objective, SimpoConfig):
        return partial(
            reference_free.compute_simpo,
            beta=objective.beta,
            gamma=objective.gamma,
            label_smoothing=smoothing,
        )
    return partial(reference_free.compute_cpo, beta=objective.beta, label_smoothing=smoothing)


def _choose_dpo_loss(objective: DpoConfig) -> Callable[[Pairs], Tensor]:
    from assay.config.objective_rules import SMOOTHED
    from assay.losses import dpo, ipo, single_rewards

    losses: dict[str, Callable[..., Tensor]] = {
        "sigmoid": dpo.compute_sigmoid,
        # Of margins that `assay.train.sorted_pairs` compares in their order.
        "aot": dpo.compute_sigmoid,
        "aot_unpaired": single_rewards.compute_halves,
        "sigmoid_norm": dpo.compute_sigmoid_norm,
        "robust": dpo.compute_robust,
        "hinge": dpo.compute_hinge,
        "exo": dpo.compute_exo,
        "discopop": dpo.compute_discopop,
        "ipo": ipo.compute_ipo,
        "nca": single_rewards.compute_nca,
        "bco": single_rewards.compute_bco,
        "sppo": single_rewards.compute_sppo,
        "apo_zero": single_rewards.compute_apo_zero,
        "apo_down": single_rewards.compute_apo_down,
    }
    smoothed = {"label_smoothing": objective.label_smoothing} if objective.loss in SMOOTHED else {}
    return partial(losses[objective.loss], beta=objective.beta, **smoothed)
