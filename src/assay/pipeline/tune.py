"""The tuning stage: the recipe's method and objective on the training core, and what it gave."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from assay.data.pack import PackedBatch
from assay.pipeline.batches import TrainingRows, batch_source, build_rows
from assay.pipeline.job import Job
from assay.pipeline.method import choose_factor
from assay.pipeline.precision import choose_precision
from assay.pipeline.prepare import Prepared
from assay.pipeline.trackers import open_trackers

if TYPE_CHECKING:
    from assay.train.fit import FitSettings

SELF_TEST_SEQUENCES = 4


@dataclass(frozen=True)
class Training:
    """What training gave; losses are nats per trained token, of the released weights.

    `loss_validation_base` is the validation loss before step 0; `best_epoch` is a fraction.
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

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def tune(job: Job, prepared: Prepared, model: Any, *, resume: bool) -> Training:
    """Train `model` (a causal model, adapters included) in place and leave its best weights in it.

    Raises:
        TrainingError: the isolation self-test failed, or a loss was not finite.
    """
    from assay.train.fit import drain

    difference = self_test(job, prepared, model)
    rows = build_rows(job, prepared)
    num_steps = fit_settings(job, len(rows.sequences)).num_steps
    with training_mode(job, model), open_trackers(job) as track:

        def report(record: dict[str, Any]) -> None:
            job.run.append_metrics(record)
            track(record)
            job.progress.step(record, num_steps)

        return drain(tune_steps(job, rows, model, difference=difference, resume=resume), report)


def self_test(job: Job, prepared: Prepared, model: Any) -> float:
    """Largest difference of packed logits from separate ones, on the first training rows.

    Raises:
        TrainingError: it is more than rounding.
    """
    from assay.models.selftest import check_isolation

    samples = prepared.train_sequences[:SELF_TEST_SEQUENCES]
    if len(samples) == 1:
        samples = samples * 2
    difference = check_isolation(model, [s.input_ids for s in samples])
    job.progress.note(f"isolation self-test: packed logits differ by {difference:.1e}")
    return difference


@contextmanager
def training_mode(job: Job, model: Any) -> Iterator[None]:
    """`model` as the recipe trains it: whatever holds for the model as a whole, for a while."""
    from assay.models.forward import packed_mode
    from assay.train.sft import neftune_noise

    noise = neftune_noise(model, alpha=job.recipe.objective.neftune_alpha)
    with packed_mode(model) as left_out, noise:
        if left_out:
            job.progress.note(left_out)
        yield


def tune_steps(
    job: Job, rows: TrainingRows, model: Any, *, difference: float, resume: bool
) -> Generator[dict[str, Any], None, Training]:
    """Train `model`, which must be in `training_mode`, one step each time it is advanced.

    Yields each step's metrics record; closed between two steps, it saves a checkpoint.
    """
    import torch

    from assay.defend.anchor import AnchoredLoss
    from assay.train.checkpoint import Checkpoints
    from assay.train.fit import fit_steps
    from assay.train.sft import SftLoss, compute_mean_loss

    config, sequences = job.recipe.train, rows.sequences
    settings = fit_settings(job, len(sequences))
    torch.manual_seed(job.recipe.seed)
    checkpoints = Checkpoints(job.run.checkpoints, keep=config.keep_checkpoints)
    if resume:
        job.run.drop_metrics_after(max(checkpoints.steps(), default=0))
    before = compute_mean_loss(model, rows.validation, precision=settings.precision)
    result = yield from fit_steps(
        model,
        batch_source(job, sequences),
        AnchoredLoss(SftLoss(label_smoothing=job.recipe.objective.label_smoothing)),
        _optimizers(job, model),
        settings,
        validate=_validator(model, rows.validation, settings.precision),
        checkpoints=checkpoints,
        resume=resume,
    )
    loss_train = compute_mean_loss(model, rows.comparable, precision=settings.precision)
    loss_validation = compute_mean_loss(model, rows.validation, precision=settings.precision)
    steps_per_epoch = math.ceil(len(sequences) / config.batch_size)
    return Training(
        num_steps=result.num_steps,
        num_tokens=result.num_tokens,
        loss_train=loss_train,
        loss_validation=loss_validation,
        loss_validation_best=result.validation_loss,
        loss_validation_base=before,
        best_step=result.best_step,
        best_epoch=result.best_step / steps_per_epoch,
        num_validation=sum(len(batch.sequence_lengths) for batch in rows.validation),
        stopped_early=result.stopped_early,
        isolation_difference=difference,
        num_trainable=sum(p.numel() for p in model.parameters() if p.requires_grad),
        num_parameters=sum(_count_weights(p) for p in model.parameters()),
        precision=settings.precision,
    )


def _optimizers(job: Job, model: Any) -> Any:
    from assay.train.optimizer import build_optimizers

    config = job.recipe.train
    options: dict[str, Any] = {"name": config.optimizer, **config.optimizer_settings}
    return build_optimizers(
        model,
        learning_rate=config.learning_rate or 0.0,
        get_factor=choose_factor(job),
        **options,
    )


def fit_settings(job: Job, num_sequences: int) -> FitSettings:
    """The recipe's training section in steps."""
    from assay.train.fit import FitSettings

    config = job.recipe.train
    steps_per_epoch = math.ceil(num_sequences / config.batch_size)
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
        eval_every_steps=config.eval_every_steps or steps_per_epoch,
        patience=config.patience,
        checkpoint_every_s=config.checkpoint_every_s,
    )


def _validator(model: Any, batches: Sequence[PackedBatch], precision: str) -> Any:
    from assay.train.sft import compute_mean_loss

    if not batches:
        return None
    return lambda: compute_mean_loss(model, batches, precision=precision)


def _count_weights(parameter: Any) -> int:
    """Weights that a parameter stands for; one in four bits holds two in each of its elements."""
    state = getattr(parameter, "quant_state", None)
    return math.prod(state.shape) if state is not None else int(parameter.numel())
