"""The tuning stage: the recipe's method and objective on the training core, and what it gave."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from assay.pipeline.batches import TrainingRows, batch_source
from assay.pipeline.job import Job
from assay.pipeline.method import choose_factor
from assay.pipeline.precision import choose_precision
from assay.pipeline.trackers import open_trackers

if TYPE_CHECKING:
    from assay.train.fit import FitSettings
    from assay.train.ranks import Ranks

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
    difference = self_test(job, rows, model)
    num_steps = fit_settings(job, len(rows.sequences)).num_steps
    steps = tune_steps(job, rows, model, difference=difference, resume=resume, ranks=ranks)
    with training_mode(job, model):
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

    from assay.models.forward import is_packable, packed_mode
    from assay.models.selftest import check_isolation
    from assay.train.shard import run_gathered

    samples = rows.sequences[:SELF_TEST_SEQUENCES]
    if len(samples) == 1:
        samples = samples * 2
    with torch.no_grad():
        difference = run_gathered(model, check_isolation, [s.input_ids for s in samples])
    if not is_packable(model):
        job.progress.note("packing is off for this base: its layers carry state between tokens")
    job.progress.note(f"isolation self-test: packed logits differ by {difference:.1e}")
    with packed_mode(model) as left_out:
        if left_out:
            job.progress.note(left_out)
    return float(difference)


@contextmanager
def training_mode(job: Job, model: Any) -> Iterator[None]:
    """`model` as the recipe trains it: whatever holds for the model as a whole, for a while."""
    from assay.models.forward import packed_mode
    from assay.train.sft import neftune_noise

    noise = neftune_noise(model, alpha=job.recipe.objective.neftune_alpha)
    with packed_mode(model), noise:
        yield


def tune_steps(
    job: Job,
    rows: TrainingRows,
    model: Any,
    *,
    difference: float,
    resume: bool,
    ranks: Ranks | None = None,
) -> Generator[dict[str, Any], None, Training]:
    """Train `model`, which must be in `training_mode`, one step each time it is advanced.

    Yields each step's metrics record; closed between two steps, it saves a checkpoint.
    """
    import torch

    from assay.defend.anchor import AnchoredLoss
    from assay.models.quantize import count_weights
    from assay.train.checkpoint import Checkpoints
    from assay.train.fit import fit_steps
    from assay.train.ranks import ALONE
    from assay.train.sft import SftLoss, compute_mean_loss
    from assay.train.shard import GatheredLoss

    config, ranks = job.recipe.train, ranks or ALONE
    settings = fit_settings(job, len(rows.sequences))
    measure = partial(compute_mean_loss, model, precision=settings.precision, ranks=ranks)
    torch.manual_seed(job.recipe.seed)
    checkpoints = Checkpoints(job.run.checkpoints, keep=config.keep_checkpoints, ranks=ranks)
    if resume and ranks.is_first:
        job.run.drop_metrics_after(max(checkpoints.steps(), default=0))
    before = measure(rows.validation)
    result = yield from fit_steps(
        model,
        batch_source(job, rows),
        GatheredLoss(AnchoredLoss(SftLoss(label_smoothing=job.recipe.objective.label_smoothing))),
        _optimizers(job, model),
        settings,
        validate=(lambda: measure(rows.validation)) if rows.num_validation else None,
        checkpoints=checkpoints,
        resume=resume,
        ranks=ranks,
        seed=job.recipe.seed,
    )
    loss_train, loss_validation = measure(rows.comparable), measure(rows.validation)
    steps_per_epoch = math.ceil(len(rows.sequences) / config.batch_size)
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
