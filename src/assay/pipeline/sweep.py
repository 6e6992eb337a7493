"""The tuning stage of a sweep: every candidate on one base in memory, in turns, and the best one.

Each candidate has a folder of its own, ``sweep/<name>/``, in which it is tuned as a run of its own
would be: with its own adapter, optimizer, data order, random generators, metrics and checkpoints.
A turn is one optimizer step; whoever has done the fewest is next, so that all curves grow together.
The best validation loss is chosen; test rows are never looked at here.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from assay.config.sweep import Candidate, expand_sweep
from assay.errors import TrainingError
from assay.pipeline.batches import TrainingRows, build_rows
from assay.pipeline.job import Job
from assay.pipeline.method import add_method
from assay.pipeline.prepare import Prepared
from assay.pipeline.progress import SaidOnce
from assay.pipeline.reuse import Stores, activations_reused
from assay.pipeline.teacher import with_teacher
from assay.pipeline.tokens import select_sequences
from assay.pipeline.trackers import open_trackers
from assay.pipeline.tune import (
    Training,
    fit_settings,
    plan_tuning,
    self_test,
    training_mode,
    tune_steps,
)
from assay.runs import RunFolder, read_json, write_json

if TYPE_CHECKING:
    from assay.models.shared_base import AdaptedModel
    from assay.train.probe import MemoryPlan
    from assay.train.rng import RngState

CHOSEN_BY = "validation loss"


@dataclass(frozen=True)
class Outcome:
    """How a candidate ended: with what training gave, or with the reason why it failed."""

    candidate: Candidate
    training: Training | None
    failed: str | None = None

    @property
    def loss(self) -> float:
        """The best validation loss, in nats per trained token; infinite where it has none."""
        loss = self.training.loss_validation_best if self.training else math.inf
        return loss if math.isfinite(loss) else math.inf

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.candidate.name,
            "setting": self.candidate.setting,
            "label": self.candidate.label,
            "training": self.training.to_dict() if self.training else None,
            "failed": self.failed,
        }


@dataclass
class Entrant:
    """A candidate while it trains: its job in its own folder, its model, and where it stands.

    `mode` is how its model trains; it is left in place of the model alone.
    """

    candidate: Candidate
    job: Job
    model: AdaptedModel
    mode: ExitStack
    steps: Generator[dict[str, Any], None, Training]
    step: int
    num_steps: int
    rng: RngState | None = field(default=None, repr=False)

    @contextmanager
    def turn(self) -> Iterator[Any]:
        """Everything as this candidate left it: modules, mode and random generators."""
        from assay.train.rng import capture_rng, restore_rng

        with self.model.in_place() as wrapped:
            if self.rng:
                restore_rng(self.rng)
            try:
                yield wrapped
            finally:
                self.rng = capture_rng()


def sweep(job: Job, prepared: Prepared, base: Any, *, resume: bool) -> Training:
    """Tune every candidate on `base`, choose one, and put its adapter and metrics into the run.

    Returns what training gave the chosen one. `base` is left as it was.

    Raises:
        TrainingError: the isolation self-test failed, or every candidate did.
    """
    from assay.models.forward import isolated_attention
    from assay.train.fit import drain

    candidates = expand_sweep(job.recipe)
    for one in candidates:
        job.progress.note(f"{one.name}: {one.label}")
    done = [ended for one in candidates if (ended := _read_outcome(job, one))]
    names = {ended.candidate.name for ended in done}
    left = [one for one in candidates if one.name not in names]
    if left:
        rows = build_rows(job, select_sequences(prepared))
        job = with_teacher(job, rows.sequences, base)
        trial = _try_largest(job, rows, base, left)
        with isolated_attention(base), open_trackers(job) as track:
            entrants = _enter(job, rows, base, left, trial=trial, resume=resume)
            counts = {entrant.candidate.name: entrant.num_steps for entrant in entrants}

            def report(record: dict[str, Any]) -> None:
                name = record["candidate"]
                own = {key: value for key, value in record.items() if key != "candidate"}
                _folder(job, name).append_metrics(own)
                track({key if key == "step" else f"{name}/{key}": own[key] for key in own})
                job.progress.step(record, counts[name])

            done += drain(take_turns(entrants), report)
    order = {one.name: index for index, one in enumerate(candidates)}
    return _choose(job, sorted(done, key=lambda ended: order[ended.candidate.name]))


def take_turns(
    entrants: Sequence[Entrant],
) -> Generator[dict[str, Any], None, list[Outcome]]:
    """Advance the candidate with the fewest steps, until all have ended; yields its records.

    Closed between two steps, it saves a checkpoint of every candidate that has begun.
    """
    running, ended = list(entrants), []
    try:
        while running:
            entrant = min(running, key=lambda one: one.step)
            record, outcome = _advance(entrant)
            if outcome:
                running.remove(entrant)
                ended.append(outcome)
            if record:
                entrant.step = record["step"]
                yield record | {"candidate": entrant.candidate.name}
    finally:
        for entrant in running:
            with entrant.turn(), entrant.mode:
                entrant.steps.close()
    return ended


def _advance(entrant: Entrant) -> tuple[dict[str, Any] | None, Outcome | None]:
    """One step, and its record; or the end, and the outcome, which is stored."""
    from assay.models.adapters import save_adapter

    job = entrant.job
    with entrant.turn() as wrapped:
        try:
            return next(entrant.steps), None
        except StopIteration as end:
            save_adapter(wrapped, job.tuned_folder, tokenizer_folder=job.base.tokenizer_files)
            outcome = Outcome(entrant.candidate, end.value)
        except TrainingError as error:
            outcome = Outcome(entrant.candidate, None, failed=str(error))
            job.progress.note(f"{entrant.candidate.name} ({entrant.candidate.label}): {error}")
        entrant.mode.close()
    write_json(_outcome_file(job.run), outcome.to_dict())
    return None, outcome


@dataclass(frozen=True)
class Trial:
    """What was tried before any candidate begins, and holds for all: isolation, and memory."""

    difference: float
    plan: MemoryPlan


def _try_largest(job: Job, rows: TrainingRows, base: Any, candidates: Sequence[Candidate]) -> Trial:
    """The self-test, and what is done to fit in memory, with the candidate that needs the most."""
    from assay.models.shared_base import AdaptedModel
    from assay.train.ranks import ALONE

    largest = max(
        (one.recipe for one in candidates),
        key=lambda recipe: (getattr(recipe.method, "rank", 0), recipe.train.batch_size),
    )
    own = replace(job, recipe=largest)
    with AdaptedModel(base, partial(add_method, own, base)).in_place():
        difference = self_test(own, rows, base)
        plan = plan_tuning(own, rows, base, ALONE, num_tunings=len(candidates))
    return Trial(difference, plan)


def _enter(
    job: Job,
    rows: TrainingRows,
    base: Any,
    candidates: Sequence[Candidate],
    *,
    trial: Trial,
    resume: bool,
) -> list[Entrant]:
    """An adapted model and a tuning for each candidate, none of which has begun."""
    from assay.models.shared_base import AdaptedModel
    from assay.train.checkpoint import Checkpoints

    entrants: list[Entrant] = []
    progress, stores = SaidOnce(job.progress), Stores()
    for candidate in candidates:
        run, mode = _folder(job, candidate.name), ExitStack()
        own = replace(job, recipe=candidate.recipe, run=run, progress=progress)
        num_steps = fit_settings(own, len(rows.sequences)).num_steps
        reuse = activations_reused(own, rows, base, num_steps=num_steps, stores=stores)
        training = training_mode(own, base, trial.plan.techniques)
        model = AdaptedModel(base, partial(_prepare_model, own, base, mode, [training, reuse]))
        steps = tune_steps(
            own, rows, base, difference=trial.difference, resume=resume, plan=trial.plan
        )
        reached = max(Checkpoints(run.checkpoints).steps(), default=0) if resume else 0
        entrants.append(Entrant(candidate, own, model, mode, steps, reached, num_steps))
    return entrants


def _prepare_model(
    job: Job, base: Any, mode: ExitStack, contexts: Sequence[AbstractContextManager[None]]
) -> Any:
    wrapped = add_method(job, base)
    for context in contexts:
        mode.enter_context(context)
    return wrapped


def _choose(job: Job, outcomes: Sequence[Outcome]) -> Training:
    """The first candidate of the best validation loss becomes the run's; all go on record."""
    best = min(outcomes, key=lambda outcome: outcome.loss)
    if best.training is None or math.isinf(best.loss):
        reasons = "; ".join(f"{one.candidate.name}: {one.failed}" for one in outcomes)
        raise TrainingError(f"no candidate of the sweep has a validation loss: {reasons}")
    own = _folder(job, best.candidate.name)
    shutil.copytree(own.adapter, job.tuned_folder, dirs_exist_ok=True)
    shutil.copyfile(own.metrics, job.run.metrics)
    job.progress.note(
        f"chosen by {CHOSEN_BY} out of {len(outcomes)}: {best.candidate.name}"
        f" ({best.candidate.label}), {best.loss:.4f}"
    )
    job.run.update_manifest(
        {
            "sweep": {
                "chosen": best.candidate.name,
                "chosen_by": CHOSEN_BY,
                "num_validation": best.training.num_validation,
                "candidates": [outcome.to_dict() for outcome in outcomes],
            }
        }
    )
    return best.training


def describe_choice(job: Job) -> dict[str, Any]:
    """What evaluation.json says under ``train``: which candidate was chosen, and of how many."""
    known = read_json(job.run.manifest).get("sweep")
    if not known:
        return {}
    (chosen,) = (one for one in known["candidates"] if one["name"] == known["chosen"])
    choice = {key: known[key] for key in ("chosen", "chosen_by", "num_validation")}
    return {
        "sweep": choice | {"setting": chosen["setting"], "num_candidates": len(known["candidates"])}
    }


def _folder(job: Job, name: str) -> RunFolder:
    """The folder of one candidate, laid out as a run's."""
    return RunFolder(job.run.path / "sweep" / name)


def _outcome_file(run: RunFolder) -> Any:
    return run.path / "outcome.json"


def _read_outcome(job: Job, candidate: Candidate) -> Outcome | None:
    """How a candidate ended before this run was interrupted, if it had."""
    path = _outcome_file(_folder(job, candidate.name))
    if not path.exists():
        return None
    stored = read_json(path)
    training = Training(**stored["training"]) if stored["training"] else None
    return Outcome(candidate, training, stored["failed"])
