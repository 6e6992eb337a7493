"""The training loop: steps, evaluations, checkpoints, early stop. It has no mathematics.

Batches come from a pure function of the step, so that resuming needs no state beyond the step.
The loop is a generator, so that several can be advanced in turn on one base.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, cast

from assay.data.pack import PackedBatch
from assay.train.checkpoint import Checkpoints
from assay.train.interrupt import held_interrupt
from assay.train.memory import DoesNotFit
from assay.train.mend import combine_budgets, run_within_memory
from assay.train.meter import NO_METER, Meter
from assay.train.optimizer import Optimizer, set_learning_rate
from assay.train.phases import NO_PHASES, Phases
from assay.train.ranks import ALONE, Ranks
from assay.train.schedule import ScheduleName, compute_lr_factor
from assay.train.schedule_free import average_weights, show_average
from assay.train.step import LossFunction, StepResult, train_step
from assay.train.watch import Watch

GetBatches = Callable[[int], Sequence[PackedBatch]]
"""Micro-batches of an optimizer step, counted from 0."""
T = TypeVar("T")
Report = Callable[[dict[str, Any]], None]
"""Takes one metrics record: ``step`` and named numbers."""


@dataclass(frozen=True)
class FitSettings:
    """How long and how to train; steps are optimizer steps, `checkpoint_every_s` is seconds.

    `token_budget` splits micro-batches of more tokens, where those given do not fit; 0 splits none.
    """

    num_steps: int
    warmup_steps: int = 0
    schedule: ScheduleName = "cosine"
    max_grad_norm: float | None = 1.0
    precision: str = "fp32"
    token_budget: int = 0
    step_in_backward: bool = False
    eval_every_steps: int = 0
    patience: int | None = None
    checkpoint_every_s: float = 120.0
    checkpoint_every_steps: int = 0


@dataclass
class FitState:
    """Where the loop stands; saved with every checkpoint. `step` counts finished steps.

    `clean_step` is that of the last reading without drift, `drifted` what ended training.
    """

    step: int = 0
    num_tokens: int = 0
    best_loss: float = math.inf
    best_step: int = 0
    evals_without_gain: int = 0
    last_loss: float = math.nan
    last_eval: float = math.nan
    token_budget: int = 0
    clean_step: int = 0
    drifted: str = ""


@dataclass(frozen=True)
class FitResult:
    """How training ended; losses are means per unit of loss weight, NaN where not measured.

    `drifted` says what left its limits where that ended training; `best_step` is then that of the
    weights that were kept.
    """

    num_steps: int
    num_tokens: int
    train_loss: float
    validation_loss: float
    best_step: int
    stopped_early: bool
    token_budget: int = 0
    drifted: str = ""


def fit(
    model: Any,
    get_batches: GetBatches,
    loss: LossFunction,
    optimizers: Sequence[Optimizer],
    settings: FitSettings,
    *,
    validate: Callable[[], float] | None = None,
    report: Report = lambda record: None,
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
    ranks: Ranks = ALONE,
    seed: int = 0,
    note: Callable[[str], None] = lambda line: None,
    watch: Watch | None = None,
) -> FitResult:
    """Train `model` in place to the end, as `fit_steps` does, and hand each record to `report`.

    Ctrl-C saves a checkpoint once the step is whole (see `drain`); on one of several `ranks` it
    stops all.

    Raises:
        TrainingError, CheckpointError: see `fit_steps`.
    """
    steps = fit_steps(
        model,
        get_batches,
        loss,
        optimizers,
        settings,
        validate=validate,
        checkpoints=checkpoints,
        resume=resume,
        ranks=ranks,
        seed=seed,
        note=note,
        watch=watch,
    )
    return drain(steps, report, ranks)


def drain(steps: Generator[dict[str, Any], None, T], report: Report, ranks: Ranks = ALONE) -> T:
    """Advance `steps` to its end, hand each record to `report`, and return its result.

    An interruption (Ctrl-C) waits for the step to be whole and closes `steps` before it is raised
    again; a second one does not wait.
    """
    with held_interrupt() as interrupted, closing(steps):
        while not ranks.any(interrupted()):
            try:
                record = next(steps)
            except StopIteration as ended:
                return cast(T, ended.value)
            report(record)
    raise KeyboardInterrupt


def fit_steps(
    model: Any,
    get_batches: GetBatches,
    loss: LossFunction,
    optimizers: Sequence[Optimizer],
    settings: FitSettings,
    *,
    validate: Callable[[], float] | None = None,
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
    ranks: Ranks = ALONE,
    seed: int = 0,
    phases: Phases = NO_PHASES,
    note: Callable[[str], None] = lambda line: None,
    watch: Watch | None = None,
    meter: Meter = NO_METER,
) -> Generator[dict[str, Any], None, FitResult]:
    """Train `model` in place, one step each time it is advanced; yields the step's metrics record.

    At its end the best evaluation's weights are in the model, given `checkpoints`. `validate` gives
    the validation loss (lower is better); it runs every `eval_every_steps` steps and after the
    last. With `resume`, the newest checkpoint is restored first. Closing the generator between two
    steps saves a checkpoint. With several `ranks`, all of them call this alike, and what is drawn
    at random while training follows from `seed`, step and rank. A step for which memory runs out is
    done again in smaller micro-batches, and so are all after it; `note` gets a line about it.
    `meter` holds what `loss` and `validate` measure beside the loss; it is read after each of them.
    `watch` is read as it says; where it stops training, the best weights become those of the best
    evaluation until its last clean reading, or else of that reading.

    Raises:
        ResourceError: memory ran out all the same; the checkpoint is of the step before.
        TrainingError: a non-finite loss or gradient; the weights are those of the step before.
        CheckpointError: nothing that can be resumed from.
    """
    state = FitState(token_budget=settings.token_budget)
    if resume and checkpoints and (saved := checkpoints.load(model, optimizers)):
        state = FitState(**saved)
        state.token_budget = combine_budgets(state.token_budget, settings.token_budget)

    def save() -> None:
        if checkpoints:
            with phases("checkpoint"):
                checkpoints.save(model, optimizers, asdict(state))

    _begin_watch(model, watch, state, checkpoints)
    saved_at = time.monotonic()
    model.train()
    while not _is_finished(state, settings):
        ranks.seed_step(seed, state.step)
        try:
            record = _run_step(
                model, get_batches, loss, optimizers, settings, state, ranks, phases, note, meter
            )
        except DoesNotFit:
            save()
            raise
        if validate and _evaluation_is_due(state.step, settings):
            with phases("evaluation"), average_weights(optimizers):
                record["eval/loss"] = _evaluate(model, validate, state, checkpoints)
                record |= meter.read("eval/", ranks)
            record["eval/best_step"] = state.best_step
        if watch and watch.is_due(state.step, settings.num_steps):
            with phases("drift"), average_weights(optimizers):
                record |= _read_watch(model, watch, state, checkpoints, ranks, note)
        try:
            yield record
        except GeneratorExit:
            save()
            raise
        if checkpoints and ranks.any(_checkpoint_is_due(state.step, settings, saved_at)):
            save()
            saved_at = time.monotonic()
    _keep_clean(state, checkpoints)
    save()
    if not (checkpoints and checkpoints.load_best(model)):
        show_average(optimizers)
    model.eval()
    return FitResult(
        num_steps=state.step,
        num_tokens=state.num_tokens,
        train_loss=state.last_loss,
        validation_loss=state.best_loss if validate else math.nan,
        best_step=state.best_step if validate or state.drifted else state.step,
        stopped_early=bool(state.drifted) or _is_out_of_patience(state, settings),
        token_budget=state.token_budget,
        drifted=state.drifted,
    )


def _run_step(
    model: Any,
    get_batches: GetBatches,
    loss: LossFunction,
    optimizers: Sequence[Optimizer],
    settings: FitSettings,
    state: FitState,
    ranks: Ranks,
    phases: Phases,
    note: Callable[[str], None],
    meter: Meter,
) -> dict[str, Any]:
    started = time.monotonic()
    factor = compute_lr_factor(
        state.step,
        num_steps=settings.num_steps,
        warmup_steps=settings.warmup_steps,
        schedule=settings.schedule,
    )
    learning_rate = set_learning_rate(list(optimizers), factor)
    with phases("data"):
        batches = get_batches(state.step)

    def step(parts: Sequence[PackedBatch]) -> StepResult:
        meter.clear()
        return train_step(
            model,
            parts,
            loss,
            optimizers,
            max_grad_norm=settings.max_grad_norm,
            precision=settings.precision,
            step_in_backward=settings.step_in_backward,
            ranks=ranks,
            phases=phases,
        )

    result, state.token_budget = run_within_memory(
        step,
        batches,
        model,
        token_budget=state.token_budget,
        ranks=ranks,
        note=note,
    )
    state.step += 1
    state.num_tokens += result.num_tokens
    state.last_loss = result.loss
    return {
        "step": state.step,
        "tokens": state.num_tokens,
        "train/loss": result.loss,
        "train/grad_norm": result.grad_norm,
        "train/learning_rate": learning_rate,
        **meter.read("train/", ranks),
        "tokens_per_s": result.num_tokens / max(time.monotonic() - started, 1e-9),
    }


def _begin_watch(
    model: Any, watch: Watch | None, state: FitState, checkpoints: Checkpoints | None
) -> None:
    """Before the first step nothing has drifted."""
    if watch and watch.stops and checkpoints and not state.step:
        checkpoints.save_clean(model)


def _read_watch(
    model: Any,
    watch: Watch,
    state: FitState,
    checkpoints: Checkpoints | None,
    ranks: Ranks,
    note: Callable[[str], None],
) -> dict[str, Any]:
    metrics, drifted = watch.read(ranks)
    if drifted:
        ends = "; training ends here" if watch.stops else ""
        note(f"drift at step {state.step}: {drifted}{ends}")
    if watch.stops:
        state.drifted = drifted
        if not drifted:
            state.clean_step = state.step
            if checkpoints:
                checkpoints.save_clean(model)
    return metrics


def _keep_clean(state: FitState, checkpoints: Checkpoints | None) -> None:
    """After drift the last clean reading's weights take the place of those that were best since."""
    if not (state.drifted and checkpoints):
        return
    if not checkpoints.has_best or state.best_step > state.clean_step:
        checkpoints.make_clean_best()
        state.best_step, state.best_loss = state.clean_step, math.nan


def _is_finished(state: FitState, settings: FitSettings) -> bool:
    if state.drifted:
        return True
    return state.step >= settings.num_steps or _is_out_of_patience(state, settings)


def _is_out_of_patience(state: FitState, settings: FitSettings) -> bool:
    return bool(settings.patience) and state.evals_without_gain >= (settings.patience or 0)


def _evaluation_is_due(step: int, settings: FitSettings) -> bool:
    every = settings.eval_every_steps
    return step == settings.num_steps or bool(every and step % every == 0)


def _evaluate(
    model: Any,
    validate: Callable[[], float],
    state: FitState,
    checkpoints: Checkpoints | None,
) -> float:
    state.last_eval = validate()
    if state.last_eval < state.best_loss:
        state.best_loss, state.best_step = state.last_eval, state.step
        state.evals_without_gain = 0
        if checkpoints:
            checkpoints.save_best(model)
    else:
        state.evals_without_gain += 1
    return state.last_eval


def _checkpoint_is_due(step: int, settings: FitSettings, saved_at: float) -> bool:
    every = settings.checkpoint_every_steps
    by_step = bool(every and step % every == 0)
    return by_step or time.monotonic() - saved_at >= settings.checkpoint_every_s
