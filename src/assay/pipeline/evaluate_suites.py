"""Measures one model on suites by name, outside any run: built in, public data sets, harness tasks.

What a name can be: a built-in suite (`honesty`), a file (its format recognised or before it:
``truthfulqa:questions.jsonl``), a Hub id with its format (``gsm8k:openai/gsm8k``), or a task of
lm-evaluation-harness (``lm_eval:arc_easy``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.errors import ConfigError, Problem
from assay.evaluate.compare import Resampling
from assay.evaluate.items import Kind
from assay.evaluate.log import build_item_line
from assay.evaluate.report import MeasuredSuite, build_suite_report
from assay.evaluate.scorers import check_metrics
from assay.evaluate.suites import (
    Suite,
    list_builtin_names,
    load_builtin_suite,
    sample_suite,
)
from assay.evaluate.suites.harness import PREFIX, build_harness_suite, run_tasks
from assay.evaluate.suites.public import FORMATS
from assay.evaluate.suites.public.load import PublicSource
from assay.generate import Sampling
from assay.models.base import TINY
from assay.pipeline.measure import Answers, Examiner
from assay.pipeline.subject import Subject
from assay.pipeline.suite_files import load_any
from assay.runs.metrics import append_line

DEFAULT_KIND: Kind = "retention"


@dataclass(frozen=True)
class SuiteOptions:
    """How suites are asked: most items of each, longest answer, seed, and what the user chose."""

    max_items: int
    max_new_tokens: int
    seed: int
    metric: str = "auto"
    kind: Kind | None = None


def evaluate_suites(
    subject: Subject,
    names: Sequence[str],
    options: SuiteOptions,
    *,
    out: Path | None = None,
    on_count: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> dict[str, Any]:
    """``{"suites": {name: report}}`` with the model's figures under ``tuned``, as evaluation.json.

    `out` gets a line for each item; an older file there is replaced.

    Raises:
        ConfigError: a name that is nothing, or an option that a format does not leave open.
        DataError: bad rows of a file.
    """
    suites = [
        suite
        for name in names
        if not name.startswith(PREFIX)
        for suite in load_named(name, subject, options)
    ]
    check_metrics({item.metric for suite in suites for item in suite.items}, base_dir=Path())
    _refuse_repeated([suite.name for suite in suites])
    examiner = Examiner(
        engine=subject.engine,
        base=subject.base,
        sampling=Sampling(max_new_tokens=options.max_new_tokens, seed=options.seed),
        batch_size=subject.engine.batch_size,
        base_dir=Path(),
        variant="tuned",
        on_count=on_count,
    )
    found = [(suite, examiner.measure(suite.items, name=suite.name)) for suite in suites]
    found += _run_harness(subject, names, options)
    if out:
        out.unlink(missing_ok=True)
        for suite, answers in found:
            _write(out, suite, answers)
    return {
        "suites": {
            suite.name: build_suite_report(
                MeasuredSuite(suite, {"tuned": answers.scores}, counts={"tuned": answers.counts}),
                Resampling(seed=options.seed),
            )
            for suite, answers in found
        }
    }


def load_named(name: str, subject: Subject, options: SuiteOptions) -> list[Suite]:
    """The suites of one name, at most `max_items` of each; asked as the suites of a run are.

    Raises:
        ConfigError: neither a built-in suite nor a file; the built-in ones are named.
        DataError: bad rows.
    """
    for_tiny = subject.base.name == TINY
    built_in = list_builtin_names(for_tiny=for_tiny)
    shape, mark, path = name.partition(":")
    if name in built_in:
        suites = [load_builtin_suite(name, for_tiny=for_tiny)]
    else:
        named = bool(mark) and shape in FORMATS
        if not named and not Path(name).exists():
            raise ConfigError(_describe_unknown(name, built_in))
        source = PublicSource(
            path=path if named else name,
            format=shape if named else "auto",
            kind=options.kind,
            metric=options.metric,
            rendering="chat" if subject.base.tokenizer.has_template else "completion",
        )
        suites = load_any(source, base_dir=Path())
    return [sample_suite(suite, max_items=options.max_items, seed=options.seed) for suite in suites]


def _run_harness(
    subject: Subject, names: Sequence[str], options: SuiteOptions
) -> list[tuple[Suite, Answers]]:
    tasks = [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]
    if not tasks:
        return []
    found = run_tasks(
        subject.engine,
        subject.base.tokenizer,
        tasks,
        context_len=subject.base.context_len,
        max_items=options.max_items,
        seed=options.seed,
    )
    pairs = []
    for task in found:
        suite = build_harness_suite(task, options.kind or DEFAULT_KIND)
        pairs.append((suite, Answers(task.outputs, task.scores, {})))
    return pairs


def _write(out: Path, suite: Suite, answers: Answers) -> None:
    for item in suite.items:
        output, score = answers.outputs[item.id], answers.scores[item.id]
        append_line(out, build_item_line(item, {"tuned": output}, {"tuned": score}))


def _refuse_repeated(names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        got = f"suites of the same name: {', '.join(repeated)}"
        raise ConfigError(Problem(got=got, do="ask for one of them at a time", key="--suite"))


def _describe_unknown(name: str, built_in: Sequence[str]) -> Problem:
    return Problem(
        got=f"no suite or file {name!r}",
        allowed=f"{', '.join(built_in)}; a file; FORMAT:FILE or FORMAT:HUB_ID with one of"
        f" {', '.join(FORMATS)}; or {PREFIX}TASK",
        do="correct the name or the path",
        key="--suite",
    )
