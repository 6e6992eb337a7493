"""A held run mended where it can be: interventions from the cheapest to the dearest, one confirmed.

What is chosen is chosen on questions that no gate of the run reads (`repair_choosing`), and only
that is then measured on the run's own test items and probes, once, by the code and the policy that
held it. What passes is a new run, released and signed as any; what does not is held, and says what
was tried.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from assay.config import Loaded, load
from assay.data import Record
from assay.evaluate.gates import Policy
from assay.evaluate.suites import Suite
from assay.pipeline.baseline import measure_baseline
from assay.pipeline.batches import build_rows
from assay.pipeline.guards import remember_suites
from assay.pipeline.job import Job
from assay.pipeline.measure import Answers, build_examiner
from assay.pipeline.precision import choose_precision
from assay.pipeline.prepare import Prepared
from assay.pipeline.probing import as_base, ask_of_run, remember_base
from assay.pipeline.progress import PlainProgress, Progress
from assay.pipeline.publish import is_published, publish
from assay.pipeline.repair_candidates import Bench, Candidate
from assay.pipeline.repair_child import (
    RepairOptions,
    begin_child,
    clear_work,
    find_child,
    read_tried,
    take_over,
    update_repair,
    with_absolute,
    work_folder,
)
from assay.pipeline.repair_choosing import (
    build_choosing,
    list_confirming,
    read_general,
)
from assay.pipeline.repair_holds import check_repairable, check_weights, list_kinds
from assay.pipeline.repair_rows import find_taught
from assay.pipeline.repair_trial import ANEW, HELD, SAFETY, SAFETY_TUNINGS, Trial
from assay.pipeline.repair_tuning import count_anew_steps, read_training, write_general
from assay.pipeline.repair_weigh import Scales, Weighed, choose_policy
from assay.pipeline.run import RunOutcome, check_before, go_through, opened_run, resume_run
from assay.pipeline.tokens import select_sequences
from assay.pipeline.tune import Training
from assay.runs import RunFolder, find_run, read_json
from assay.runs.find import read_or_empty

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine


@dataclass(frozen=True)
class Case:
    """A held run under repair: the gates that hold it, and the run that the repair makes."""

    run: RunFolder
    child: RunFolder
    loaded: Loaded
    policy: Policy
    options: RepairOptions
    holding: list[str]
    progress: Progress


def repair_run(
    run: RunFolder, options: RepairOptions | None = None, *, progress: Progress | None = None
) -> RunOutcome:
    """Try to mend a held run; the outcome is that of a new run beside it.

    The same call goes on with a repair that was cut off, and finds one that has ended.

    Raises:
        UsageError: a run that is not held, or held by what a repair does not mend.
        ConfigError, DataError, CheckpointError: as in `assay.pipeline.run`.
    """
    progress = progress or PlainProgress()
    options = with_absolute(options or RepairOptions())
    holding = check_repairable(run)
    check_weights(run)
    loaded = load(run.recipe, base_dir=read_json(run.manifest).get("recipe_folder"))
    policy = check_before(loaded)
    child = find_child(run, options) or begin_child(run, loaded, options, failed=holding)
    if child.verdict.exists():
        return _tell_ended(child, progress)
    if read_json(child.manifest)["repair"].get("chosen") is None:
        progress.note(f"repair of {run.path}, held by {', '.join(holding)}")
        case = Case(run, child, loaded, policy, options, holding, progress)
        if _choose(case) is None:
            return _hold(child)
    chosen = load(child.recipe, base_dir=loaded.base_dir)
    return go_through(chosen, child, policy, progress, resume=True)


def _tell_ended(child: RunFolder, progress: Progress) -> RunOutcome:
    """What a repair that has ended found; what follows its verdict is written if it is missing."""
    if not is_published(child):
        return resume_run(child, progress=progress)
    progress.note(f"repaired before, in {child.path}")
    return RunOutcome(child, read_json(child.verdict), read_or_empty(child.evaluation), None)


def _choose(case: Case) -> Weighed | None:
    """Weigh what can be tried, and put the best into the child's folder; None where none passes."""
    with opened_run(case.loaded, case.child, case.progress, verb="") as (job, prepared):
        trial = _build_trial(case, job, prepared)
        chosen = trial.run()
        tried = [one.to_dict() for one in trial.tried.values()]
        update_repair(case.child, {"skipped": trial.skipped, "tried": tried})
        if chosen is not None:
            _install(case, trial, job, chosen)
    clear_work(case.child)
    return chosen


def _build_trial(case: Case, job: Job, prepared: Prepared) -> Trial:
    from assay.generate.local import LocalEngine

    whole = job.recipe.method.trains_base
    held = Candidate(case.run.model if whole else case.run.adapter, whole=whole)
    batch_size, context_len = job.recipe.evaluate.batch_size, job.base.context_len
    engine = LocalEngine(None, job.tokenizer, batch_size=batch_size, context_len=context_len)
    bench = Bench(job, engine)
    chooses, tunes = read_general(job, case.options.general or job.recipe.defend.general)
    with bench.holding(held):
        scales = _build_scales(case, job, prepared, engine, chooses)
    return Trial(
        child=case.child,
        loaded=case.loaded,
        options=case.options,
        held=held,
        holding=case.holding,
        bench=bench,
        scales=scales,
        progress=job.progress,
        general=write_general(case.child, tunes),
        find_left_out=partial(_find_left_out, case, job, prepared, bench, held),
        anew_steps=count_anew_steps(read_training(case.run).num_steps),
        known=read_tried(case.child),
    )


def _find_left_out(
    case: Case, job: Job, prepared: Prepared, bench: Bench, held: Candidate
) -> dict[str, list[str]]:
    """The training rows that taught the loss, as the base tells or told before an interruption."""
    known = read_json(case.child.manifest)["repair"].get("left_out")
    if known is not None:
        return dict(known)
    job.progress.stage("rows", "rows: which of them taught what was lost, as the base tells")
    whole = job.recipe.method.trains_base
    with bench.holding(held), as_base(bench.engine, job.base, whole=whole):
        found = find_taught(job, prepared.train, bench.engine, list_kinds(case.holding))
    update_repair(case.child, {"left_out": found})
    return found


def _build_scales(
    case: Case, job: Job, prepared: Prepared, engine: LocalEngine, general: list[Record]
) -> Scales:
    """The questions that choose, with the base's answers to them."""
    job.progress.stage("questions", "questions: what chooses, as the base answers it")
    with as_base(engine, job.base, whole=job.recipe.method.trains_base):
        baseline = measure_baseline(job, prepared, engine)
        choosing = build_choosing(job, baseline, case.policy, general=general, first=case.holding)
        remember = remember_base(job.base, precision=choose_precision(job.recipe).name)
        examiner = build_examiner(job, engine, "base")
        base_suites = remember_suites(examiner, choosing.suites, remember)
    told = choosing.describe(list_confirming(baseline))
    update_repair(case.child, {"questions": told})
    counts = ", ".join(f"{count} of {kind}" for kind, count in told["chosen_on"].items())
    job.progress.note(f"   chosen on {counts}; confirmed once on {told['num_confirming']} others")
    if choosing.blind:
        kinds = ", ".join(choosing.blind)
        job.progress.note(f"   {kinds}: no question that is not confirmed by, so none chooses")
    return Scales(
        job=job,
        engine=engine,
        asked=ask_of_run(job, prepared, engine, ()),
        policy=choose_policy(case.policy, choosing),
        choosing=choosing,
        rows=build_rows(job, select_sequences(prepared)),
        base_task=_select(baseline.validation_answers.base, choosing.task),
        base_suites=base_suites,
        folder=work_folder(case.child),
    )


def _select(answers: Answers, suite: Suite) -> Answers:
    ids = [item.id for item in suite.items]
    outputs = {key: answers.outputs[key] for key in ids}
    return Answers(outputs, {key: answers.scores[key] for key in ids}, answers.counts)


def _install(case: Case, trial: Trial, job: Job, chosen: Weighed) -> None:
    """Write the chosen weights into the child, which is from here on a run that was tuned."""
    child, candidate = case.child, trial.find(chosen)
    training = read_training(case.run)
    if chosen.intervention == SAFETY:
        for tuning in _list_safety_tunings(child, chosen):
            training = _add(training, read_training(tuning))
    if chosen.intervention == ANEW:
        tuning = _find_tuning(child, chosen)
        training = read_training(tuning)
        take_over(child, tuning)
    target = child.model if candidate.whole else child.adapter
    partial = work_folder(child) / "weights" / "chosen"
    for folder in (target, partial):
        shutil.rmtree(folder, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    candidate.write(job, partial)
    partial.replace(target)
    child.update_manifest({"training": _describe_training(training, chosen)})
    update_repair(child, {"chosen": chosen.name})


def _find_tuning(child: RunFolder, chosen: Weighed) -> RunFolder:
    return RunFolder((child.path / chosen.source).parent)


def _list_safety_tunings(child: RunFolder, chosen: Weighed) -> list[RunFolder]:
    """Those that made the chosen adapter: the first, and the one that went on from it."""
    names = SAFETY_TUNINGS[: SAFETY_TUNINGS.index(_find_tuning(child, chosen).name) + 1]
    return [find_run(work_folder(child) / "tunings", name) for name in names]


def _add(before: Training, after: Training) -> Training:
    """What the held run's training gave, and a short tuning on top of it."""
    num_steps = before.num_steps + after.num_steps
    return replace(before, num_steps=num_steps, num_tokens=before.num_tokens + after.num_tokens)


def _describe_training(training: Training, chosen: Weighed) -> dict[str, Any]:
    """The training of the chosen weights, with their own losses.

    Their best loss is their own: they are drawn back from the best on purpose, and the gate that
    asks whether a later, worse checkpoint was kept has no other of them to compare with.
    """
    if chosen.intervention == ANEW and chosen.factor == 1.0:
        return training.to_dict()
    validation = chosen.losses["loss_validation"]
    return replace(
        training,
        loss_train=chosen.losses["loss_train"],
        loss_validation=validation,
        loss_validation_best=validation,
    ).to_dict()


def _hold(child: RunFolder) -> RunOutcome:
    """The verdict of a repair that found nothing to confirm."""
    tried = read_tried(child)
    num = sum(one.intervention != HELD for one in tried.values())
    failing = list(dict.fromkeys(gate for one in tried.values() for gate in one.failing))
    headline = (
        f"Held: none of {num} candidates passes the questions that choose"
        f" ({', '.join(failing)}), so none was confirmed on the test items."
    )
    verdict = {
        "status": "held",
        "headline": headline,
        "failed": failing,
        "not_measured": [],
        "gates": [],
    }
    child.write_json(child.verdict, verdict)
    publish(child, None)
    return RunOutcome(child, verdict, {}, None)
