"""Tasks of lm-evaluation-harness in a recipe: planned, asked of the base, then of the tuned model.

What a task asks is known only once the package has asked it, so its items come with the base's
answers, and the tuned model's are put beside them by document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from assay.config.sections.evaluate import SuiteConfig
from assay.errors import ConfigError, DataError, EvaluationError, Problem
from assay.evaluate.items import Score, item_from_dict
from assay.evaluate.probes import Remember
from assay.evaluate.suites import HarnessPlan, Suite
from assay.evaluate.suites.harness import (
    METRIC,
    PREFIX,
    HarnessTask,
    build_harness_suite,
    find_tasks,
    run_tasks,
)
from assay.evaluate.suites.public.format import DEFAULT_KIND
from assay.pipeline.job import Job
from assay.pipeline.measure import Answers, Examiner


def plan_suite(job: Job, own: SuiteConfig) -> Suite:
    """The suite of a recipe's entry, without items as yet.

    Raises:
        ConfigError: the package is missing, or knows no such task.
        DataError: a task file that names no task.
    """
    name, include = own.path.removeprefix(PREFIX), None
    if name.endswith((".yaml", ".yml")):
        file = job.base_dir / name
        name, include = _read_name(file), file.parent
    find_tasks([name], include=include)
    config = job.recipe.evaluate
    folder = str(include.resolve()) if include else None
    plan = HarnessPlan(name, config.max_items, job.recipe.seed, folder)
    return Suite(name, own.kind or DEFAULT_KIND, METRIC, [], "", "", harness=plan)


def settle_suites(
    examiner: Examiner, suites: Sequence[Suite], remember: Remember
) -> tuple[list[Suite], dict[str, Answers]]:
    """The planned suites with their items, and the base's answers by name.

    A group of tasks becomes a suite for each. Answers are kept but of tasks of one's own, whose
    files may change.

    Raises:
        EvaluationError: a task has no metric of its items in [0, 1].
        ConfigError: two suites have the same name.
    """
    settled: list[Suite] = []
    answers: dict[str, Answers] = {}
    taken = {suite.name for suite in suites if suite.harness is None}
    for suite in suites:
        plan = suite.harness
        if plan is None:
            continue

        def ask(plan: HarnessPlan = plan) -> list[dict[str, Any]]:
            return [_to_dict(task) for task in ask_plan(examiner, plan)]

        key = [asdict(plan), version("lm_eval"), examiner.batch_size]
        found = ask() if plan.include else remember(f"suite-{plan.task}", key, ask)
        for task in map(_from_dict, found):
            if task.name in taken:
                got = f"a second suite named {task.name!r}"
                raise ConfigError(Problem(got, do="name a task once", key="evaluate.suites"))
            taken.add(task.name)
            settled.append(build_harness_suite(task, suite.kind, plan))
            answers[task.name] = Answers(task.outputs, task.scores, {})
    return settled, answers


def ask_plan(examiner: Examiner, plan: HarnessPlan) -> list[HarnessTask]:
    """The tasks of a plan as the examiner's model answers them."""
    examiner.on_count(f"{examiner.variant}, {plan.task}", 0, plan.max_items)
    return run_tasks(
        examiner.engine,
        examiner.base.tokenizer,
        [plan.task],
        context_len=examiner.base.context_len,
        max_items=plan.max_items,
        seed=plan.seed,
        include=Path(plan.include) if plan.include else None,
    )


def measure_planned(examiner: Examiner, suites: Sequence[Suite]) -> dict[str, Answers]:
    """Another model's answers to suites that `settle_suites` gave, by name.

    Raises:
        EvaluationError: the task now asks other documents than it asked the base.
    """
    found: dict[str, Answers] = {}
    for plan in dict.fromkeys(suite.harness for suite in suites if suite.harness):
        tasks = {task.name: task for task in ask_plan(examiner, plan)}
        for suite in (one for one in suites if one.harness == plan):
            task = tasks.get(suite.name)
            if task is None or task.items != suite.items:
                raise EvaluationError(
                    f"{suite.name}: lm-evaluation-harness asked other documents than of the base;"
                    " keep its version and its data, and run again"
                )
            found[suite.name] = Answers(task.outputs, task.scores, {})
    return found


def _read_name(path: Path) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        task = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        return str(task["task"])
    except (OSError, UnicodeDecodeError, YAMLError, TypeError, KeyError) as error:
        got = f"no task file ({str(error).splitlines()[0]})"
        allowed = "a task of lm-evaluation-harness, with `task: its name`"
        raise DataError(Problem(got, allowed, file=str(path))) from error


def _to_dict(task: HarnessTask) -> dict[str, Any]:
    return {
        "name": task.name,
        "metric": task.metric,
        "items": [item.to_dict() for item in task.items],
        "scores": {key: score.to_dict() for key, score in task.scores.items()},
        "outputs": task.outputs,
    }


def _from_dict(values: dict[str, Any]) -> HarnessTask:
    scores = {key: Score(**score) for key, score in values["scores"].items()}
    items = [item_from_dict(one) for one in values["items"]]
    return HarnessTask(values["name"], values["metric"], items, scores, values["outputs"])
