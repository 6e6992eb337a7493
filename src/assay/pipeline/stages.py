"""The stages with a model: baseline, tuning, evaluation; then gates, verdict, report, release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.evaluate.compare import Resampling
from assay.evaluate.gates import (
    Policy,
    decide_verdict,
    evaluate_gates,
    load_policy,
    override_thresholds,
)
from assay.evaluate.log import build_item_line
from assay.evaluate.report import MeasuredSuite, build_evaluation
from assay.evaluate.suites import Suite
from assay.pipeline.baseline import Baseline, measure_baseline
from assay.pipeline.job import Job
from assay.pipeline.measure import Answers, Examiner, describe_decoding, measure_suites
from assay.pipeline.prepare import Prepared
from assay.pipeline.questions import SUITE_NAME
from assay.pipeline.tune import Training, add_method, tune
from assay.release import release_run, render_card, render_report
from assay.runs import read_json, write_text
from assay.runs.metrics import append_line

if TYPE_CHECKING:
    from assay.models.export import Integrity
    from assay.pipeline.run import RunOutcome

INTEGRITY_SEQUENCES = 4


@dataclass(frozen=True)
class Measured:
    """Everything measured with a model in memory."""

    baseline: Baseline
    tuned: Answers
    tuned_suites: dict[str, Answers]
    training: Training
    integrity: Integrity


def train_and_measure(job: Job, prepared: Prepared, *, resume: bool) -> Measured:
    """Baseline, tuning and evaluation, with one model in memory from start to end."""
    from assay.generate.local import LocalEngine
    from assay.models.base import load_model
    from assay.models.export import check_integrity

    recipe = job.recipe
    full = recipe.method.type == "full"
    # All weights train in float32 under autocast; a frozen base may stay in half precision.
    dtype = "fp32" if full else recipe.base.dtype
    model = load_model(job.base, dtype=dtype, trust_remote_code=recipe.base.trust_remote_code)
    engine = LocalEngine(
        model,
        job.tokenizer,
        batch_size=recipe.evaluate.batch_size,
        context_len=job.base.context_len,
    )
    job.progress.stage("baseline", f"baseline: {job.base.name} before tuning")
    baseline = measure_baseline(job, prepared, engine)
    job.progress.stage("tune", f"tune: {recipe.method.type}, {len(prepared.train)} rows")
    training, wrapped = _tune_or_reload(job, prepared, model, resume=resume)
    engine.model = model = wrapped if full else wrapped.get_base_model()
    job.progress.stage("evaluate", "evaluate: the tuned model on the same items")
    examiner = Examiner(job, engine, "tuned")
    tuned = examiner.measure(baseline.task.items, name=SUITE_NAME)
    tuned_suites = measure_suites(examiner, baseline.suites)
    integrity = check_integrity(
        job.base,
        model,
        job.tuned_folder,
        prompts=[s.input_ids for s in prepared.train_sequences[:INTEGRITY_SEQUENCES]],
        adapter=not full,
    )
    return Measured(baseline, tuned, tuned_suites, training, integrity)


def _tune_or_reload(
    job: Job, prepared: Prepared, model: Any, *, resume: bool
) -> tuple[Training, Any]:
    """Train and save; or, in a resumed run whose training had ended, load what it saved."""
    from assay.models.adapters import load_adapter, save_adapter, save_model
    from assay.models.base import load_model

    full = job.recipe.method.type == "full"
    done = read_json(job.run.manifest).get("training") if resume else None
    if done:
        if full:
            from dataclasses import replace

            saved = load_model(replace(job.base, folder=job.tuned_folder), dtype="fp32")
            return Training(**done), saved
        return Training(**done), load_adapter(model, job.tuned_folder)
    wrapped = add_method(job, model)
    training = tune(job, prepared, wrapped if full else wrapped.get_base_model(), resume=resume)
    save = save_model if full else save_adapter
    save(wrapped, job.tuned_folder, tokenizer_folder=job.base.folder)
    job.run.update_manifest({"training": training.to_dict()})
    return training, wrapped


def finish(job: Job, prepared: Prepared, measured: Measured) -> RunOutcome:
    """Write evaluation and verdict, judge the gates, then release or hold, and report."""
    from assay.pipeline.run import RunOutcome

    job.progress.stage("gate", f"gate: {job.recipe.gates.policy}")
    policy = load_gate_policy(job)
    evaluation = _evaluate(job, measured, confidence=policy.thresholds.confidence)
    job.run.write_json(job.run.evaluation, evaluation)
    _write_items(job, measured)
    gates = evaluate_gates(evaluation, _integrity_values(job, measured), policy)
    verdict = decide_verdict(gates)
    content = verdict.to_dict() | {"gates": [gate.to_dict() for gate in gates]}
    job.run.write_json(job.run.verdict, content)
    signer = None
    if verdict.status == "released":
        signer = release_run(job.run).fingerprint
    else:
        write_text(job.run.report, render_report(job.run))
        write_text(job.run.card, render_card(job.run))
    return RunOutcome(job.run, content, evaluation, signer)


def load_gate_policy(job: Job) -> Policy:
    """The recipe's policy with the recipe's margins."""
    config = job.recipe.gates
    policy = load_policy(config.policy, base_dir=job.base_dir)
    set_by_recipe = {
        name: getattr(config, name)
        for name in config.model_fields_set - {"policy"}
        if getattr(config, name) is not None
    }
    return override_thresholds(policy, set_by_recipe)


def _evaluate(job: Job, measured: Measured, *, confidence: float) -> dict[str, Any]:
    baseline = measured.baseline
    suites = [
        MeasuredSuite(
            baseline.task,
            {
                "base": baseline.base.scores,
                "prompted": baseline.prompted.scores,
                "tuned": measured.tuned.scores,
            },
            baseline.prompting,
        )
    ]
    suites += [
        MeasuredSuite(
            suite,
            {
                "base": baseline.base_suites[suite.name].scores,
                "tuned": measured.tuned_suites[suite.name].scores,
            },
        )
        for suite in baseline.suites
    ]
    return build_evaluation(
        suites,
        decoding=describe_decoding(job),
        train=measured.training.to_dict(),
        resampling=Resampling(confidence=confidence, seed=job.recipe.seed),
    )


def _write_items(job: Job, measured: Measured) -> None:
    """evaluation/items.jsonl anew: every item with every model's answer and score."""
    job.run.items.unlink(missing_ok=True)
    baseline = measured.baseline
    task = {"base": baseline.base, "prompted": baseline.prompted, "tuned": measured.tuned}
    _write_suite(job, baseline.task, task)
    for suite in baseline.suites:
        name = suite.name
        answers = {"base": baseline.base_suites[name], "tuned": measured.tuned_suites[name]}
        _write_suite(job, suite, answers)


def _write_suite(job: Job, suite: Suite, answers: dict[str, Answers]) -> None:
    for item in suite.items:
        outputs = {variant: given.outputs[item.id] for variant, given in answers.items()}
        scores = {variant: given.scores[item.id] for variant, given in answers.items()}
        append_line(job.run.items, build_item_line(item, outputs, scores))


def _integrity_values(job: Job, measured: Measured) -> dict[str, Any]:
    found = measured.integrity
    merged: dict[str, Any] = {"difference": found.merge_difference, "tolerance": found.tolerance}
    if job.recipe.method.type == "full":
        merged = {"not_applicable": "full tuning has no adapter to merge"}
    return {
        "adapter_reloads": {"difference": found.reload_difference, "tolerance": found.tolerance},
        "merged_equals_adapter": merged,
        "template_unchanged": found.template_unchanged,
    }
