"""What a repair needs before it tries anything: questions with the base's answers, general rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from assay.config import Loaded
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
from assay.pipeline.progress import Progress
from assay.pipeline.repair.candidates import Bench, Candidate
from assay.pipeline.repair.child import RepairOptions, read_tried, update_repair, work_folder
from assay.pipeline.repair.choosing import (
    build_choosing,
    leave_asked,
    list_confirming,
    read_general,
)
from assay.pipeline.repair.holds import list_kinds
from assay.pipeline.repair.rows import find_taught
from assay.pipeline.repair.trial import Trial
from assay.pipeline.repair.tuning import count_anew_steps, read_training, write_general
from assay.pipeline.repair.weigh import Scales, choose_policy
from assay.pipeline.tokens import select_sequences
from assay.runs import RunFolder, read_json

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


def build_trial(case: Case, job: Job, prepared: Prepared) -> Trial:
    """The trial of a repair, with the base's answers to the questions that choose.

    Raises:
        DataError: there is no validation item, or the general file has bad rows.
    """
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
        general=write_general(case.child, leave_asked(tunes, scales.choosing.asked)),
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
