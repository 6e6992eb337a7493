"""The tuning stage: the recipe's method and objective on the training core, and what it gave."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from assay.pipeline.batches import TrainingRows, batch_source
from assay.pipeline.job import Job
from assay.pipeline.method import choose_factor
from assay.pipeline.monitor import build_watch
from assay.pipeline.objective import build_loss, build_meter, build_on_policy
from assay.pipeline.plan import list_techniques, plan_memory
from assay.pipeline.precision import choose_precision
from assay.pipeline.reference import with_reference
from assay.pipeline.reuse import activations_reused
from assay.pipeline.reward_watch import add_reward_watch
from assay.pipeline.rollouts import build_rollouts, count_updates, measure_reward
from assay.pipeline.steering import steering
from assay.pipeline.teacher import with_teacher
from assay.pipeline.trackers import open_trackers

if TYPE_CHECKING:
    from assay.train.checkpoint import Checkpoints
    from assay.train.fit import FitSettings, GetBatches
    from assay.train.meter import Meter
    from assay.train.probe import MemoryPlan
    from assay.train.ranks import Ranks
    from assay.train.step import LossFunction

SELF_TEST_SEQUENCES = 4


@dataclass(frozen=True)
class Training:
    """What training gave; losses are nats per trained token, of the released weights.

    Where whole answers are compared they are the objective's own, per pair or answer; with a
    teacher they are of the divergence from it. Where the
    model writes the answers itself, they are 1 less the mean reward.

    `loss_validation_base` is the validation loss before step 0; `best_epoch` is a fraction.
    `micro_batch_tokens` and `techniques` are those that it came to, for the sake of memory;
    `drifted` says what left its limits, where that ended training.
    """

    num_steps: int
    num_tokens: int
    loss_train: float
    loss_validation: float
    loss_validation_best: float
    loss_validation_base: float
    best_step: int
    best_epoch: float
    num_validation: int
    stopped_early: bool
    isolation_difference: float
    num_trainable: int
    num_parameters: int
    precision: str
    micro_batch_tokens: int = 0
    techniques: str = ""
    drifted: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def tune(
    job: Job, rows: TrainingRows, model: Any, *, resume: bool, ranks: Ranks | None = None
) -> Training:
    """Train `model` (a causal model, adapters included) in place and leave its best weights in it.

    Of several `ranks` all call this, and the first writes metrics and checkpoints.

    Raises:
        TrainingError: the isolation self-test failed, or a loss was not finite.
    """
    from assay.train.fit import drain
    from assay.train.ranks import ALONE

    ranks = ranks or ALONE
    job = with_teacher(job, rows.sequences, model)
    difference = self_test(job, rows, model)
    num_steps = fit_settings(job, len(rows.sequences)).num_steps
    plan = plan_tuning(job, rows, model, ranks)
    steps = tune_steps(
        job, rows, model, difference=difference, resume=resume, ranks=ranks, plan=plan
    )
    reuse = activations_reused(job, rows, model, num_steps=num_steps, ranks=ranks)
    with training_mode(job, model, plan.techniques), reuse:
        if not ranks.is_first:
            return drain(steps, lambda record: None, ranks)
        with open_trackers(job) as track:

            def report(record: dict[str, Any]) -> None:
                job.run.append_metrics(record)
                track(record)
                job.progress.step(record, num_steps)

            return drain(steps, report, ranks)


def self_test(job: Job, rows: TrainingRows, model: Any) -> float:
    """Largest difference of packed logits from separate ones, on the first training rows.

    Raises:
        TrainingError: it is more than rounding.
    """
    import torch

    from assay.losses.token_loss import choose_token_loss
    from assay.models.forward import is_packable, packed_mode
    from assay.models.selftest import check_isolation, check_shared
    from assay.train.shard import run_gathered

    samples = rows.sequences[:SELF_TEST_SEQUENCES]
    if len(samples) == 1:
        samples = samples * 2
    with torch.no_grad():
        difference = run_gathered(model, check_isolation, [s.input_ids for s in samples])
    if not is_packable(model):
        job.progress.note("packing is off for this base: its layers carry state between tokens")
    job.progress.note(f"isolation self-test: packed logits differ by {difference:.1e}")
    answers = [a.input_ids for s in samples if s.is_compared for a in s.row.answers]
    # Completions of a prompt share it: the same prompt, and some of its tokens after it.
    answers += [s.input_ids + s.input_ids[:n] for s in samples if s.asked for n in (1, 3)]
    if answers:
        with torch.no_grad():
            shared = run_gathered(model, check_shared, answers)
        job.progress.note(
            f"beginnings that answers share, computed once: logits differ by {shared:.1e}"
        )
        difference = max(difference, shared)
    head_loss = choose_token_loss(next(model.parameters()).device.type).line
    with packed_mode(model) as left_out:
        if left_out or head_loss:
            job.progress.note("; ".join(filter(None, (left_out, head_loss))))
    return float(difference)


def plan_tuning(
    job: Job, rows: TrainingRows, model: Any, ranks: Ranks, *, num_tunings: int = 1
) -> MemoryPlan:
    """What is done to fit in memory; see `plan_memory`.

    Raises:
        DoesNotFit: the longest row does not fit by itself.
    """
    return plan_memory(
        job,
        rows.sequences,
        model,
        build_loss(job),
        lambda techniques: training_mode(job, model, techniques),
        precision=choose_precision(job.recipe).name,
        ranks=ranks,
        num_tunings=num_tunings,
    )


@contextmanager
def training_mode(job: Job, model: Any, techniques: Sequence[str] | None = None) -> Iterator[None]:
    """`model` as the recipe trains it: whatever holds for the model as a whole, for a while.

    `techniques` are those of the recipe unless others were found to be needed.
    """
    from assay.models.forward import packed_mode
    from assay.train.kept_memory import memory_kept
    from assay.train.sft import neftune_noise
    from assay.train.techniques import techniques_on

    kept = memory_kept(next(model.parameters()).device)
    noise = neftune_noise(model, alpha=getattr(job.recipe.objective, "neftune_alpha", 0.0))
    chosen = list_techniques(job) if techniques is None else techniques
    with kept, packed_mode(model), noise, techniques_on(model, chosen), steering(job, model):
        yield


def tune_steps(
    job: Job,
    rows: TrainingRows,
    model: Any,
    *,
    difference: float,
    resume: bool,
    ranks: Ranks | None = None,
    plan: MemoryPlan | None = None,
) -> Generator[dict[str, Any], None, Training]:
    """Train `model`, which must be in `training_mode`, one step each time it is advanced.

    Yields each step's metrics record; closed between two steps, it saves a checkpoint.
    """
    import torch

    from assay.models.quantize import count_weights
    from assay.train.checkpoint import Checkpoints
    from assay.train.fit import fit_steps
    from assay.train.probe import MemoryPlan
    from assay.train.ranks import ALONE

    config, ranks = job.recipe.train, ranks or ALONE
    plan = plan or MemoryPlan(0, list_techniques(job))
    settings = replace(fit_settings(job, len(rows.sequences)), token_budget=plan.token_budget)
    checkpoints = Checkpoints(job.run.checkpoints, keep=config.checkpoints.keep, ranks=ranks)
    source = _build_source(job, rows, model, ranks, checkpoints)
    loss, measure, meter = source.loss, source.measure, source.meter
    torch.manual_seed(job.recipe.seed)
    if resume and ranks.is_first:
        job.run.drop_metrics_after(max(checkpoints.steps(), default=0))
    with job.phases("evaluation"):
        before = measure("validation")
    with job.phases("drift"):
        watch = build_watch(job, rows, model, num_steps=settings.num_steps, resume=resume)
        watch = add_reward_watch(job, watch, every_steps=settings.eval_every_steps)
    result = yield from fit_steps(
        model,
        source.get_batches,
        loss,
        _optimizers(job, model),
        settings,
        validate=(lambda: measure("validation")) if rows.num_validation else None,
        checkpoints=checkpoints,
        resume=resume,
        ranks=ranks,
        seed=job.recipe.seed,
        phases=job.phases,
        note=job.progress.note,
        watch=watch,
        meter=meter,
    )
    with job.phases("evaluation"):
        loss_train, loss_validation = measure("comparable"), measure("validation")
    steps_per_epoch = count_steps(job, len(rows.sequences))
    return Training(
        num_steps=result.num_steps,
        num_tokens=result.num_tokens,
        loss_train=loss_train,
        loss_validation=loss_validation,
        loss_validation_best=result.validation_loss,
        loss_validation_base=before,
        best_step=result.best_step,
        best_epoch=result.best_step / steps_per_epoch,
        num_validation=rows.num_validation,
        stopped_early=result.stopped_early,
        isolation_difference=difference,
        num_trainable=sum(p.numel() for p in model.parameters() if p.requires_grad),
        num_parameters=count_weights(model),
        precision=settings.precision,
        micro_batch_tokens=result.token_budget or config.micro_batch_tokens,
        techniques=", ".join(plan.techniques),
        drifted=result.drifted,
    )


@dataclass(frozen=True)
class _Source:
    """What a tuning learns from and is measured by; `measure` takes ``validation`` or
    ``comparable``."""

    get_batches: GetBatches
    loss: LossFunction
    measure: Callable[[str], float]
    meter: Meter


def _build_source(
    job: Job, rows: TrainingRows, model: Any, ranks: Ranks, checkpoints: Checkpoints
) -> _Source:
    """The batches of given rows, or of what the model writes itself."""
    from assay.train.sft import compute_mean_loss

    meter = build_meter(job)
    if job.recipe.objective.learns_from == "prompts":
        rollouts = build_rollouts(
            job, rows, model, ranks, find_oldest=lambda: min(checkpoints.steps(), default=0)
        )
        prompts = {"validation": rows.validation_prompts, "comparable": rows.comparable_prompts}
        return _Source(
            rollouts,
            build_loss(job, meter, rollouts.tell),
            lambda name: measure_reward(rollouts, prompts[name], meter, ranks),
            meter,
        )
    loss = build_loss(job, meter)
    with job.phases("evaluation"):
        rows = with_reference(job, rows, model, ranks)
    batches = {"validation": rows.validation, "comparable": rows.comparable}
    mean = partial(
        compute_mean_loss,
        model,
        loss=None if job.recipe.objective.type == "sft" else loss,
        precision=choose_precision(job.recipe).name,
        ranks=ranks,
    )
    get_batches = batch_source(job, rows, build_on_policy(job, model))
    return _Source(get_batches, loss, lambda name: mean(batches[name]), meter)


def count_steps(job: Job, num_sequences: int) -> int:
    """Optimizer steps of an epoch: of rollouts that several updates learn from, all of them."""
    return math.ceil(num_sequences / job.recipe.train.batch_size) * count_updates(job.recipe)


def _optimizers(job: Job, model: Any) -> Any:
    from assay.train.optimizer import build_optimizers

    config = job.recipe.train
    options: dict[str, Any] = {"name": config.optimizer, **config.optimizer_settings}
    return build_optimizers(
        model,
        learning_rate=config.learning_rate or 0.0,
        get_factor=choose_factor(job),
        apart="step_per_layer" in list_techniques(job),
        **options,
    )


def fit_settings(job: Job, num_sequences: int) -> FitSettings:
    """The recipe's training section in steps."""
    from assay.train.fit import FitSettings

    config = job.recipe.train
    steps_per_epoch = count_steps(job, num_sequences)
    num_steps = config.max_steps or math.ceil((config.epochs or 1) * steps_per_epoch)
    warmup_steps = config.warmup_steps
    if warmup_steps is None:
        warmup_steps = round((config.warmup_ratio or 0.0) * num_steps)
    return FitSettings(
        num_steps=num_steps,
        warmup_steps=warmup_steps,
        schedule=config.schedule,
        max_grad_norm=config.max_grad_norm,
        precision=choose_precision(job.recipe).name,
        step_in_backward="step_per_layer" in list_techniques(job),
        eval_every_steps=config.eval_every_steps or steps_per_epoch,
        patience=config.patience,
        checkpoint_every_s=config.checkpoints.every_s,
    )
