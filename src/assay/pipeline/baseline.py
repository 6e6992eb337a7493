"""The baseline, before any tuning: the base zero-shot with the user's prompt, and few-shot.

The number of shots is chosen on validation items and measured once on the test items. Examples of
chats are earlier turns of the conversation. Examples of prompt/completion rows are parted by a
blank line, and an answer ends at the next: a raw base that answers rightly goes on with an example
of its own, which is not its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.errors import DataError, Problem
from assay.evaluate.choose import MIXED, assign_metrics, plan_metrics
from assay.evaluate.items import Item, Kind
from assay.evaluate.prompting import PromptChoice, choose_prompting
from assay.evaluate.suites import Suite, build_suite
from assay.generate import Engine
from assay.pipeline.guards import load_guards, measure_suites
from assay.pipeline.job import Job
from assay.pipeline.measure import Answers, Examiner, build_examiner
from assay.pipeline.prepare import Prepared
from assay.pipeline.questions import SUITE_NAME, build_items, choose_shots


@dataclass(frozen=True)
class Baseline:
    """The task suite and its answers by the base and the prompted base, and the other suites.

    `skipped` says by kind why suites of that kind were not asked.
    """

    task: Suite
    base: Answers
    prompted: Answers
    prompting: PromptChoice
    suites: list[Suite]
    base_suites: dict[str, Answers]
    skipped: dict[Kind, str]


def measure_baseline(job: Job, prepared: Prepared, engine: Engine) -> Baseline:
    """Measure the base on the task, zero-shot and with the best prompt, and on the suites."""
    config, seed = job.recipe.evaluate, job.recipe.seed
    test, validation = (
        build_items(records, max_items=config.max_items, seed=seed, metric=config.metric)
        for records in (prepared.test, prepared.validation)
    )
    if not test:
        raise DataError(
            Problem(
                got="no test rows",
                allowed="at least one row",
                do="raise data.test_ratio, or name data.test",
                key="data.test_ratio",
            )
        )
    guards = load_guards(job)
    for reason in dict.fromkeys(guards.skipped.values()):
        job.progress.note(f"{', '.join(guards.skipped)}: {reason}")
    plan = plan_metrics([*test, *validation], metric=config.metric)
    task = build_suite(test, name=SUITE_NAME, kind="task", plan=plan)
    base = build_examiner(job, engine, "base")
    choice = _choose_shots(job, prepared, base, assign_metrics(validation, plan), task.metric)
    base_answers = base.measure(task.items, name=SUITE_NAME)
    prompted_answers = base_answers
    if choice.shots or config.prompt:
        prompted_answers = build_examiner(job, engine, "prompted").measure(
            task.items,
            name=SUITE_NAME,
            shots=choose_shots(prepared.train, num_shots=choice.shots, seed=seed),
            system=config.prompt,
        )
    return Baseline(
        task=task,
        base=base_answers,
        prompted=prompted_answers,
        prompting=choice,
        suites=guards.suites,
        base_suites=measure_suites(base, guards.suites),
        skipped=guards.skipped,
    )


def _choose_shots(
    job: Job, prepared: Prepared, examiner: Examiner, items: Sequence[Item], metric: str
) -> PromptChoice:
    """Try every number of shots on the validation `items`, judged as the task is."""
    config, seed = job.recipe.evaluate, job.recipe.seed
    scores = {
        shots: examiner.measure(
            items,
            name=f"validation-{shots}-shot",
            shots=choose_shots(prepared.train, num_shots=shots, seed=seed),
            system=config.prompt,
        ).scores
        for shots in dict.fromkeys(config.shots)
        if items
    }
    if not scores:
        shots = min(config.shots)
        return PromptChoice(shots, {}, 0, frozenset())
    return choose_prompting(scores, statistic="correct" if metric == MIXED else "value")
