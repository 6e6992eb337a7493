"""The stages with a model: baseline, tuning, evaluation; then gates, verdict, report, release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assay.config.sweep import expand_sweep
from assay.evaluate.best_of import summarise_best_of
from assay.evaluate.compare import Resampling, Scores
from assay.evaluate.gates import Policy, decide_verdict
from assay.evaluate.items import Item
from assay.evaluate.log import Split, build_item_line
from assay.evaluate.probes import Probed
from assay.evaluate.report import MeasuredSuite, Validation, build_evaluation
from assay.evaluate.suites import Suite
from assay.pipeline.baseline import VALIDATION_NAME, Baseline, measure_baseline
from assay.pipeline.free_form import list_probes
from assay.pipeline.gate import check_saved, judge_run, load_gate_policy
from assay.pipeline.guards import describe_decoding, measure_suites
from assay.pipeline.job import Job
from assay.pipeline.measure import Answers, build_examiner
from assay.pipeline.method import check_method
from assay.pipeline.plan import check_device
from assay.pipeline.precision import choose_precision
from assay.pipeline.prepare import Prepared
from assay.pipeline.probing import (
    ask_of_run,
    leave_out_probes,
    run_probes,
    summarise_probes,
)
from assay.pipeline.publish import publish
from assay.pipeline.questions import SUITE_NAME
from assay.pipeline.rewards import take_probe
from assay.pipeline.scope import measure_scope
from assay.pipeline.subject import describe_base
from assay.pipeline.sweep import describe_choice
from assay.pipeline.tune import Training
from assay.pipeline.tuned import tune_or_reload
from assay.release import load_or_make_key
from assay.runs.metrics import append_line

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine
    from assay.models.export import Probe
    from assay.pipeline.run import RunOutcome

INTEGRITY_SEQUENCES = 4


@dataclass(frozen=True)
class Measured:
    """Everything measured with a model in memory, and a probe to compare what was saved with."""

    baseline: Baseline
    tuned: Answers
    tuned_validation: Answers
    tuned_suites: dict[str, Answers]
    training: Training
    probe: Probe
    probed: dict[str, Probed]


def train_and_measure(job: Job, prepared: Prepared, *, resume: bool) -> Measured:
    """Baseline, tuning and evaluation, with one model in memory from start to end."""
    from assay.generate.local import LocalEngine
    from assay.models.base import load_model

    recipe = job.recipe
    engine = LocalEngine(
        load_model(job.base, dtype=choose_precision(recipe).weights),
        job.tokenizer,
        batch_size=recipe.evaluate.batch_size,
        context_len=job.base.context_len,
    )
    recipes = [one.recipe for one in expand_sweep(recipe)] if recipe.sweep else [recipe]
    for own in recipes:
        check_method(replace(job, recipe=own), engine.model)
        check_device(replace(job, recipe=own), engine.model)
    job.progress.stage("baseline", f"baseline: {job.base.name} before tuning")
    baseline = measure_baseline(job, prepared, engine)
    what = f"{len(recipes)} candidates" if recipe.sweep else recipe.method.type
    job.progress.stage("tune", f"tune: {what}, {len(prepared.train)} rows")
    training = tune_or_reload(job, prepared, engine, resume=resume)
    job.progress.stage("evaluate", "evaluate: the tuned model on the same items")
    examiner = build_examiner(job, engine, "tuned")
    tuned_validation = examiner.measure(baseline.validation, name=VALIDATION_NAME)
    tuned = examiner.measure(baseline.task.items, name=SUITE_NAME)
    tuned_suites = measure_suites(examiner, baseline.suites)
    samples = prepared.train_sequences[:INTEGRITY_SEQUENCES]
    job.progress.stage("probe", "probe: what questions do not show")
    probed = _probe(job, prepared, engine, baseline)
    measure_scope(job, prepared, engine)
    probe = take_probe(job, engine.model, [s.input_ids for s in samples])
    return Measured(baseline, tuned, tuned_validation, tuned_suites, training, probe, probed)


def _probe(
    job: Job, prepared: Prepared, engine: LocalEngine, baseline: Baseline
) -> dict[str, Probed]:
    """What the policy's probes find; a model that gives no answers is asked by none."""
    names = list_probes(job.recipe, load_gate_policy(job))
    if job.recipe.objective.gives_scores:
        return leave_out_probes(names, job.run.probes)
    asked = ask_of_run(job, prepared, engine, baseline.task.items)
    return run_probes(asked, names, job.run.probes, tuned=job.tuned_folder)


def finish(job: Job, measured: Measured, policy: Policy) -> RunOutcome:
    """Write the evaluation, judge the gates by `policy`, then release or hold.

    Raises:
        ReleaseError: the gates passed and there is no usable signing key; the run has not ended
            then, and resuming it goes on from here.
    """
    from assay.pipeline.run import RunOutcome

    evaluation = _evaluate(job, measured, confidence=policy.thresholds.confidence)
    # Before the integrity check, which loads models anew: what was measured is not lost over it.
    job.run.write_json(job.run.evaluation, evaluation)
    _write_items(job, measured)
    job.progress.stage("gate", f"gate: {job.recipe.gates.policy}")
    evaluation["integrity"] = check_saved(job, measured.probe)
    job.run.write_json(job.run.evaluation, evaluation)
    gates = judge_run(job.run, evaluation, policy)
    verdict = decide_verdict(gates)
    # Before the verdict is written, which ends the run: a key that cannot be had is mended first.
    key = load_or_make_key() if verdict.status == "released" else None
    content = verdict.to_dict() | {"gates": [gate.to_dict() for gate in gates]}
    job.run.write_json(job.run.verdict, content)
    return RunOutcome(job.run, content, evaluation, publish(job.run, key))


def _evaluate(job: Job, measured: Measured, *, confidence: float) -> dict[str, Any]:
    baseline = measured.baseline
    task, *guards = [
        MeasuredSuite(suite, _scores(answers), counts={v: a.counts for v, a in answers.items()})
        for suite, answers in _answers_by_suite(measured)
    ]
    validation = Validation(baseline.validation, _scores(_validation_answers(measured)))
    task = replace(
        task,
        prompting=baseline.prompting,
        validation=validation if baseline.validation else None,
    )
    resampling = Resampling(confidence=confidence, seed=job.recipe.seed)
    evaluation = build_evaluation(
        [task, *guards],
        decoding=describe_decoding(job),
        train=measured.training.to_dict() | describe_choice(job),
        skipped=baseline.skipped,
        resampling=resampling,
        probes=summarise_probes(measured.probed, resampling),
    )
    told = {"base": describe_base(job.base)["base"], "not_applicable": baseline.not_applicable}
    return evaluation | told | _tell_best_of(measured, resampling)


def _tell_best_of(measured: Measured, resampling: Resampling) -> dict[str, Any]:
    """What the best of several samples of the base is worth, beside both models; or nothing."""
    best_of = measured.baseline.best_of
    if best_of is None:
        return {}
    answered = {"base": measured.baseline.answers.base.scores, "tuned": measured.tuned.scores}
    return {"best_of": summarise_best_of(best_of.items, best_of.samples, answered, resampling)}


def _write_items(job: Job, measured: Measured) -> None:
    """evaluation/items.jsonl anew: every item with every model's answer and score.

    The task's lines say of which split they are, those of the test split first.
    """
    baseline = measured.baseline
    job.run.items.unlink(missing_ok=True)
    for suite, answers in _answers_by_suite(measured):
        split: Split | None = "test" if suite is baseline.task else None
        _write_answers(job, suite.items, answers, split=split)
    _write_answers(job, baseline.validation, _validation_answers(measured), split="validation")


def _answers_by_suite(measured: Measured) -> list[tuple[Suite, dict[str, Answers]]]:
    """Every suite, the task first, with the answers of each model by its name."""
    baseline = measured.baseline
    task = {**baseline.answers.by_variant(baseline.prompting), "tuned": measured.tuned}
    guards = [
        (
            suite,
            {
                "base": baseline.base_suites[suite.name],
                "tuned": measured.tuned_suites[suite.name],
            },
        )
        for suite in baseline.suites
    ]
    return [(baseline.task, task), *guards]


def _validation_answers(measured: Measured) -> dict[str, Answers]:
    """The answers of each model to the task's validation items by its name."""
    baseline = measured.baseline
    by_base = baseline.validation_answers.by_variant(baseline.prompting)
    return {**by_base, "tuned": measured.tuned_validation}


def _scores(answers: dict[str, Answers]) -> dict[str, Scores]:
    return {variant: given.scores for variant, given in answers.items()}


def _write_answers(
    job: Job, items: Sequence[Item], answers: dict[str, Answers], *, split: Split | None
) -> None:
    for item in items:
        outputs = {variant: given.outputs[item.id] for variant, given in answers.items()}
        scores = {variant: given.scores[item.id] for variant, given in answers.items()}
        append_line(job.run.items, build_item_line(item, outputs, scores, split=split))
