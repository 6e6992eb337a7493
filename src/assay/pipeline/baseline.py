"""The baseline, before any tuning: the base zero-shot with the user's prompt, and few-shot.

Every number of shots of the recipe is asked on the validation items and on the test items. The one
that is best on validation is the prompted base, which gates compare with. Examples of chats are
earlier turns of the conversation. Examples of prompt/completion rows are parted by a blank line,
and an answer ends at the next: a raw base that answers rightly goes on with an example of its own,
which is not its answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.errors import DataError, Problem
from assay.evaluate.choose import MIXED, assign_metrics, plan_metrics
from assay.evaluate.items import Item, Kind, name_shots
from assay.evaluate.prompting import PromptChoice, choose_prompting
from assay.evaluate.scorers import check_metrics
from assay.evaluate.suites import Suite, build_suite
from assay.models.base import TINY
from assay.pipeline.best_of import BestOf, sample_base
from assay.pipeline.gate import load_gate_policy
from assay.pipeline.guards import Guards, ask_under, load_guards, remember_suites, widen_guards
from assay.pipeline.harness_suites import settle_suites
from assay.pipeline.inoculating import list_triggers
from assay.pipeline.job import Job
from assay.pipeline.measure import Answers, Examiner, build_examiner
from assay.pipeline.precision import choose_precision
from assay.pipeline.prepare import Prepared
from assay.pipeline.probing import remember_base
from assay.pipeline.questions import (
    SUITE_NAME,
    build_items,
    choose_shots,
    usual_system_prompt,
)
from assay.pipeline.rewards import choose_metric, list_not_asked

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine

VALIDATION_NAME = "validation"


@dataclass(frozen=True)
class BaseAnswers:
    """The base's answers to one split of the task: zero-shot, and by number of shots.

    Zero shots without a prompt of the recipe's own are the base itself: the same answers.
    """

    base: Answers
    by_shots: Mapping[int, Answers]

    def by_variant(self, choice: PromptChoice) -> dict[str, Answers]:
        """``base``, ``shots_4`` and so on for what was asked besides, and ``prompted``."""
        few = {name_shots(n): a for n, a in self.by_shots.items() if a is not self.base}
        return {"base": self.base, **few, "prompted": self.by_shots[choice.shots]}


@dataclass(frozen=True)
class Baseline:
    """The task's suite and validation items with the base's answers, and the other suites.

    `skipped` says by kind why suites of that kind were not asked, `not_applicable` by name which
    do not apply to these rows. `best_of` are samples of an objective that samples.
    """

    task: Suite
    answers: BaseAnswers
    validation: list[Item]
    validation_answers: BaseAnswers
    prompting: PromptChoice
    suites: list[Suite]
    base_suites: dict[str, Answers]
    skipped: dict[Kind, str]
    not_applicable: dict[str, str]
    best_of: BestOf | None = None


def measure_baseline(job: Job, prepared: Prepared, engine: LocalEngine) -> Baseline:
    """Measure the base on the task, zero-shot and with every number of shots, and on the suites.

    Raises:
        DataError: there is no test row, or a suite file has bad rows.
        ConfigError: a metric of the user's own cannot be loaded, or fails on an answer.
    """
    config, seed = job.recipe.evaluate, job.recipe.seed
    test, validation = (
        build_items(records, max_items=config.max_items, seed=seed, metric=choose_metric(job))
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
    plan = plan_metrics([*test, *validation], metric=config.metric)
    task = build_suite(test, name=SUITE_NAME, kind="task", plan=plan)
    guards = _choose_guards(job, prepared, task.items)
    for reason in dict.fromkeys(guards.skipped.values()):
        job.progress.note(f"{', '.join(guards.skipped)}: {reason}")
    validation = assign_metrics(validation, plan)
    every = [*task.items, *validation, *(item for suite in guards.suites for item in suite.items)]
    check_metrics({item.metric for item in every}, base_dir=job.base_dir)
    base = build_examiner(job, engine, "base")
    remember = remember_base(job.base, precision=choose_precision(job.recipe).name)
    on_validation = _ask_base(job, prepared, base, validation, name=VALIDATION_NAME)
    rows = [suite for suite in guards.suites if suite.harness is None]
    planned, of_planned = settle_suites(base, guards.suites, remember)
    return Baseline(
        task=task,
        answers=_ask_base(job, prepared, base, task.items, name=SUITE_NAME),
        validation=validation,
        validation_answers=on_validation,
        prompting=_choose_prompt(on_validation, validation, task.metric),
        suites=[*rows, *planned],
        base_suites=remember_suites(base, rows, remember) | of_planned,
        skipped=guards.skipped,
        not_applicable=guards.not_applicable,
        best_of=sample_base(job.recipe, base, task.items),
    )


def _choose_guards(job: Job, prepared: Prepared, test: Sequence[Item]) -> Guards:
    """The suites that guard what the base could do; none of a model that gives no answers."""
    config, seed = job.recipe.evaluate, job.recipe.seed
    if job.recipe.objective.gives_scores:
        return Guards([], {}, list_not_asked())
    guards = widen_guards(
        load_guards(job),
        test,
        levels=load_gate_policy(job).levels,
        system=usual_system_prompt(prepared.test),
        max_items=config.max_items,
        seed=seed,
    )
    if not job.tokenizer.has_template:
        return guards
    under = ask_under(
        list_triggers(job),
        guards.suites,
        for_tiny=job.base.name == TINY,
        max_items=config.max_items,
        seed=seed,
    )
    return replace(guards, suites=[*guards.suites, *under])


def _ask_base(
    job: Job, prepared: Prepared, examiner: Examiner, items: Sequence[Item], *, name: str
) -> BaseAnswers:
    """Ask zero-shot and with every number of shots; what would be the same prompt is asked once."""
    config, seed = job.recipe.evaluate, job.recipe.seed
    base = examiner.measure(items, name=name)
    by_shots = {
        num_shots: base
        if num_shots == 0 and config.prompt is None
        else examiner.measure(
            items,
            name=f"{name}-{num_shots}-shot",
            shots=choose_shots(prepared.train, num_shots=num_shots, seed=seed),
            system=config.prompt,
        )
        for num_shots in dict.fromkeys(config.shots)
    }
    return BaseAnswers(base, by_shots)


def _choose_prompt(answers: BaseAnswers, items: Sequence[Item], metric: str) -> PromptChoice:
    """The best number of shots on the validation `items`; the fewest where there are none."""
    if not items:
        return PromptChoice(min(answers.by_shots), {}, 0, frozenset())
    scores = {num_shots: given.scores for num_shots, given in answers.by_shots.items()}
    return choose_prompting(scores, statistic="correct" if metric == MIXED else "value")
