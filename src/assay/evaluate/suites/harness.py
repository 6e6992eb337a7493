"""Tasks of lm-evaluation-harness by name, run by that package on an engine of ours.

The package (extra `eval`) reads the task, builds its prompts and scores the answers; all that it
asks of a model goes through `Engine`. Its own scores become ours, one an item, so that base and
tuned are compared pair by pair. Harness tasks are few-shot prompts of raw text unless asked
otherwise, so a base without a chat template can be asked them too.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assay.chat import ChatTokenizer
from assay.config.sections.evaluate import HARNESS_PREFIX
from assay.errors import ConfigError, EvaluationError, Problem
from assay.evaluate.items import Item, Kind, Score, unscored
from assay.evaluate.suites import HarnessPlan, Suite, build_suite
from assay.evaluate.suites.harness_model import build_model
from assay.generate import Engine

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = HARNESS_PREFIX
METRIC = "lm_eval"
PREFERRED = ("acc", "exact_match", "acc_norm", "f1", "em", "contains")
"""The metric that is taken of a task with several, the first that it has and that is in [0, 1]."""
_EXTRA = "pip install 'lm-eval>=0.4.13,<0.5' (Assay's extra `eval`)"


@dataclass(frozen=True)
class HarnessTask:
    """A task's items with their scores, in the harness's order, and the metric that was taken."""

    name: str
    metric: str
    items: list[Item]
    scores: dict[str, Score]
    outputs: dict[str, str]


def is_installed() -> bool:
    return importlib.util.find_spec("lm_eval") is not None


def run_tasks(
    engine: Engine,
    tokenizer: ChatTokenizer,
    names: Sequence[str],
    *,
    context_len: int,
    max_items: int,
    seed: int,
    include: Path | None = None,
) -> list[HarnessTask]:
    """Every task of `names` (task or group), on its first `max_items` documents.

    `include` is a folder with task files (YAML) of one's own.

    Raises:
        ConfigError: the package is missing, or knows no such task.
        EvaluationError: a task has no metric of its items in [0, 1].
    """
    tasks = find_tasks(names, include=include)
    from lm_eval import simple_evaluate

    found = simple_evaluate(
        model=build_model(engine, tokenizer, context_len=context_len, seed=seed),
        tasks=list(names),
        task_manager=tasks,
        limit=max_items,
        log_samples=True,
        bootstrap_iters=0,
        random_seed=seed,
        numpy_random_seed=seed,
        torch_random_seed=seed,
        fewshot_random_seed=seed,
    )
    return [_read_task(name, samples) for name, samples in (found or {})["samples"].items()]


def find_tasks(names: Sequence[str], *, include: Path | None = None) -> Any:
    """The package's index of tasks, in which every one of `names` is; no data are loaded.

    Raises:
        ConfigError: the package is missing, or knows no such task.
    """
    if not is_installed():
        got = "a task of lm-evaluation-harness, but `lm_eval` is not installed"
        raise ConfigError(Problem(got=got, do=_EXTRA))
    from lm_eval.tasks import TaskManager

    tasks = TaskManager(include_path=str(include) if include else None)
    unknown = [name for name in names if not tasks.match_tasks([name])]
    if unknown:
        allowed, do = "a task of the package", "choose one that `lm-eval ls tasks` lists"
        problems = [Problem(got=f"task {name!r}", allowed=allowed, do=do) for name in unknown]
        raise ConfigError(problems)
    return tasks


def build_harness_suite(task: HarnessTask, kind: Kind, plan: HarnessPlan | None = None) -> Suite:
    """The suite of a task that was asked."""
    suite = build_suite(task.items, name=task.name, kind=kind, metric=METRIC)
    reason = f"{task.metric}, as lm-evaluation-harness scores it"
    return replace(suite, reason=reason, harness=plan)


def _read_task(name: str, samples: Sequence[Mapping[str, Any]]) -> HarnessTask:
    """Scores of one task, from the harness's log of its documents."""
    metric = _choose_metric(name, samples)
    items, scores, outputs = [], {}, {}
    for sample in samples:
        key = f"{name}-{sample['doc_id']}"
        if key in scores:
            continue
        item = Item(key, [], reference=str(sample["target"]), metric=METRIC, suite=name)
        items.append(item)
        scores[key] = _read_score(metric, sample)
        outputs[key] = str(sample.get("filtered_resps", ""))[:2000]
    return HarnessTask(name, metric, items, scores, outputs)


def _choose_metric(name: str, samples: Sequence[Mapping[str, Any]]) -> str:
    # Of several choices "exact match" would be whether greedy decoding writes one: not asked.
    several = bool(samples) and len(samples[0]["filtered_resps"]) > 1
    for metric in PREFERRED:
        usable = bool(samples) and not (several and metric == "exact_match")
        if usable and _read_unit(samples[0].get(metric)) is not None:
            return metric
    listed = ", ".join(str(one) for one in (samples[0].get("metrics") or ())) if samples else ""
    raise EvaluationError(
        f"task {name!r} scores no single document between 0 and 1 (it has {listed or 'no metric'})"
    )


def _read_score(metric: str, sample: Mapping[str, Any]) -> Score:
    value = _read_unit(sample.get(metric))
    if value is None:
        return unscored(METRIC, f"the harness gives no {metric}")
    correct = bool(value) if value in (0.0, 1.0) else None
    logprobs = [pair[0] for pair in sample["filtered_resps"] if isinstance(pair, (list, tuple))]
    detail: dict[str, Any] = {"metric": metric}
    return Score(METRIC, value, correct, detail | ({"logprobs": logprobs} if logprobs else {}))


def _read_unit(value: Any) -> float | None:
    """A number in [0, 1]; None for anything else."""
    if isinstance(value, bool) or hasattr(value, "item"):
        value = float(value)
    return float(value) if isinstance(value, (int, float)) and 0 <= value <= 1 else None
