"""The recipe's objective as a loss of the training core."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from assay.config.sections.distil import DistilConfig
from assay.config.sections.objective import (
    KtoConfig,
    ProcessRewardConfig,
    RewardConfig,
    SftConfig,
)
from assay.config.sections.pairs import CpoConfig, DpoConfig, OrpoConfig, SimpoConfig
from assay.config.sections.reinforcement import PpoConfig
from assay.config.sections.rollouts import RolloutSection
from assay.errors import ConfigError, Problem
from assay.pipeline.job import Job
from assay.pipeline.pair_losses import choose_pair_loss
from assay.pipeline.policy import build_policy, list_parts

if TYPE_CHECKING:
    from assay.train.meter import Meter
    from assay.train.on_policy import OnPolicy
    from assay.train.step import LossFunction


def build_loss(
    job: Job, meter: Meter | None = None, tell: Callable[[Meter], None] = lambda meter: None
) -> LossFunction:
    """The recipe's objective, as the training core takes it; `meter` is told what it measures.

    `tell` tells it what rollouts measured, once a step.
    """
    from assay.defend.anchor import AnchoredLoss
    from assay.train.shard import GatheredLoss, GatheredStepLoss
    from assay.train.sorted_pairs import SortedPairsLoss

    if isinstance(job.recipe.objective, KtoConfig):
        return _build_rated(job.recipe.objective, meter)
    if isinstance(job.recipe.objective, RewardConfig):
        return GatheredLoss(_build_reward(job.recipe.objective, meter))
    if isinstance(job.recipe.objective, ProcessRewardConfig):
        return GatheredLoss(_build_process_reward(meter))
    if isinstance(job.recipe.objective, RolloutSection):
        return _build_policy(job.recipe.objective, meter, tell)
    sorted_by = getattr(job.recipe.objective, "loss", "")
    if sorted_by in ("aot", "aot_unpaired"):
        is_paired = sorted_by == "aot"
        return GatheredStepLoss(SortedPairsLoss(_build_learned(job, meter), is_paired=is_paired))
    learned = _build_learned(job, meter)
    # Rows with `role: anchor` weigh 1 where the recipe gives no weight of its own.
    return GatheredLoss(AnchoredLoss(learned, weight=job.recipe.defend.kl_weight or 1.0))


def build_meter(job: Job) -> Meter:
    """A meter of what the objective measures beside its loss."""
    from assay.train.distil import DISTIL_METRICS
    from assay.train.meter import Meter
    from assay.train.policy import POLICY_METRICS
    from assay.train.preference import PAIR_METRICS
    from assay.train.process_reward import STEP_METRICS
    from assay.train.rated import RATED_METRICS
    from assay.train.reward import REWARD_METRICS
    from assay.train.rollout_stats import ROLLOUT_METRICS, name_parts

    if isinstance(job.recipe.objective, ProcessRewardConfig):
        return Meter(STEP_METRICS)
    if job.recipe.objective.gives_scores:
        return Meter(REWARD_METRICS)
    if isinstance(job.recipe.objective, DistilConfig):
        return Meter(DISTIL_METRICS)
    if isinstance(job.recipe.objective, RolloutSection):
        parts = name_parts(list_parts(job.recipe.objective))
        return Meter((*ROLLOUT_METRICS, *parts, *POLICY_METRICS, *_name_values(job)))
    names = {"preference": PAIR_METRICS, "rated": RATED_METRICS}
    return Meter(names.get(job.recipe.objective.learns_from, ()))


def _name_values(job: Job) -> tuple[str, ...]:
    """The metrics of a value head, and of a weight that is led to a target, if any."""
    from assay.train.policy import VALUE_METRICS

    objective = job.recipe.objective
    if not isinstance(objective, PpoConfig):
        return ()
    return VALUE_METRICS if objective.kl_target is None else (*VALUE_METRICS, "beta")


def _build_policy(
    objective: RolloutSection, meter: Meter | None, tell: Callable[[Meter], None]
) -> LossFunction:
    from assay.train.meter import NO_METER
    from assay.train.policy import PolicyLoss
    from assay.train.shard import GatheredStepLoss

    settings = build_policy(objective)
    return GatheredStepLoss(PolicyLoss(settings, meter=meter or NO_METER, tell=tell))


def _build_rated(objective: KtoConfig, meter: Meter | None) -> LossFunction:
    from assay.train.meter import NO_METER
    from assay.train.rated import RatedLoss
    from assay.train.shard import GatheredStepLoss

    return GatheredStepLoss(
        RatedLoss(
            beta=objective.beta,
            loss="bco" if objective.loss == "bco" else "kto",
            wanted_weight=objective.wanted_weight,
            unwanted_weight=objective.unwanted_weight,
            meter=meter or NO_METER,
        )
    )


def _build_reward(objective: RewardConfig, meter: Meter | None) -> LossFunction:
    from assay.train.meter import NO_METER
    from assay.train.reward import RewardLoss

    return RewardLoss(centring=objective.centring, meter=meter or NO_METER)


def _build_process_reward(meter: Meter | None) -> LossFunction:
    from assay.train.meter import NO_METER
    from assay.train.process_reward import ProcessRewardLoss

    return ProcessRewardLoss(meter=meter or NO_METER)


def _build_learned(job: Job, meter: Meter | None) -> Any:
    from assay.defend.constrained import ConstrainedLoss
    from assay.train.meter import NO_METER
    from assay.train.preference import PreferenceLoss
    from assay.train.sft import SftLoss

    objective = job.recipe.objective
    assert not isinstance(objective, KtoConfig | RewardConfig | ProcessRewardConfig), (
        "these have losses of their own"
    )
    if isinstance(objective, SftConfig):
        betas = job.recipe.defend.token_betas
        smoothing = objective.label_smoothing
        return ConstrainedLoss(betas) if betas else SftLoss(label_smoothing=smoothing)
    if isinstance(objective, DistilConfig):
        return _build_distil(job, objective, meter or NO_METER)
    assert isinstance(objective, DpoConfig | OrpoConfig | SimpoConfig | CpoConfig), (
        "what the model writes itself has a loss of its own"
    )
    return PreferenceLoss(
        choose_pair_loss(objective),
        beta=objective.beta,
        sft_weight=objective.sft_weight,
        tail_weight=getattr(objective, "length_desensitisation", 1.0),
        per_token=objective.type == "simpo" or getattr(objective, "loss", "") == "sigmoid_norm",
        meter=meter or NO_METER,
    )


def build_on_policy(job: Job, model: Any) -> OnPolicy | None:
    """What writes answers of some rows anew while training; None where nothing does.

    Raises:
        ConfigError: the weights of `model` are spread, so that one process cannot write by itself.
    """
    from assay.generate.local import LocalEngine
    from assay.pipeline.precision import choose_precision
    from assay.train.on_policy import OnPolicy, OnPolicySettings
    from assay.train.shard import is_spread

    objective = job.recipe.objective
    if not isinstance(objective, DistilConfig) or not objective.on_policy:
        return None
    assert job.teacher is not None, "a distillation is built where its teacher is loaded"
    if is_spread(model):
        raise ConfigError(
            Problem(
                key="objective.on_policy",
                got="on_policy where weights are spread over processes",
                allowed="it where every process holds all weights",
                do="set it to 0, or train fewer or smaller weights",
            )
        )
    context_len = min(job.max_seq_len, job.teacher.context_len)
    batch_size = job.recipe.evaluate.batch_size
    return OnPolicy(
        model,
        LocalEngine(model, job.tokenizer, batch_size=batch_size, context_len=context_len),
        OnPolicySettings(
            objective.on_policy,
            objective.max_new_tokens,
            objective.sampling_temperature,
            choose_precision(job.recipe).name,
            job.recipe.seed,
        ),
    )


def _build_distil(job: Job, objective: DistilConfig, meter: Meter) -> LossFunction:
    from assay.losses.distillation import Distillation
    from assay.train.distil import DistilLoss

    assert job.teacher is not None, "a distillation is built where its teacher is loaded"
    settings = Distillation(objective.beta, objective.temperature, objective.sft_weight)
    return DistilLoss(settings, job.teacher.model, seen=job.teacher.seen, meter=meter)
