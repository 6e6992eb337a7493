"""`assay eval`: a model on a data file, with intervals, without training anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from assay.cli.eval_adapter import SAFETY, show_adapter
from assay.cli.judge_options import JudgeHost, JudgeKey, JudgeModel, JudgeUrl, choose_judge
from assay.cli.output import JsonFlag, RootOption, check_out_file, print_result
from assay.errors import Problem, UsageError

if TYPE_CHECKING:
    from assay.config import SourceConfig
    from assay.pipeline.subject import Subject


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("eval")(evaluate)


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A run (folder, id or name), or a base (tiny, a folder or a Hub id); or use"
            " --adapter.",
        ),
    ] = "",
    data: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="Rows; the last answer of each is its reference."),
    ] = None,
    suites: Annotated[
        list[str] | None,
        typer.Option(
            "--suite",
            metavar="NAME|[FORMAT:]FILE",
            help="In place of FILE: a built-in suite, a suite file, a public data set (as in"
            " truthfulqa:questions.jsonl) or a task of lm-evaluation-harness (as in"
            " lm_eval:arc_easy); repeatable.",
        ),
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option(
            help="With `--suite safety` in place of MODEL: an adapter of unknown origin, a folder"
            " that PEFT wrote. Its files are looked at first; then it and its base are asked all"
            " suites of behaviour and all quick probes."
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="With --adapter: the base that it is of.")
    ] = None,
    data_format: Annotated[
        str, typer.Option("--format", help="The shape of a row; see data.train.format.")
    ] = "auto",
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="FIELD=COLUMN", help="A field's column; repeatable."),
    ] = None,
    metric: Annotated[
        str, typer.Option(help="As `assay config explain evaluate.metric` lists.")
    ] = "auto",
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 128,
    max_items: Annotated[int, typer.Option(min=1, help="Most items, drawn by seed.")] = 200,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows decoded together.")] = 16,
    seed: Annotated[int, typer.Option(help="Seed of item choice and intervals.")] = 0,
    out: Annotated[
        str | None,
        typer.Option(
            help="Write each item and answer to this file (JSONL); with --adapter a folder, which"
            " an interrupted look goes on from  [default: gates/NAME]."
        ),
    ] = None,
    judge_model: JudgeModel = None,
    judge_url: JudgeUrl = None,
    judge_key_env: JudgeKey = None,
    judge_host: JudgeHost = None,
    root: RootOption = "runs",
    as_json: JsonFlag = False,
) -> int:
    """Score a tuned model or a base on a data file, or on suites by name."""
    from pathlib import Path

    if adapter is not None or base is not None or list(suites or ()) == [SAFETY]:
        given = {"MODEL": model, "FILE": data, "--format": data_format, "--metric": metric}
        _check_safety(adapter, base, suites or [], given)
        judge = choose_judge(judge_model, judge_url, judge_key_env, judge_host)
        asked = {"max_items": max_items, "seed": seed, "judge": judge}
        return show_adapter(str(adapter), str(base), asked, out=out, as_json=as_json)
    if judge_model or judge_url or judge_key_env or judge_host:
        do = "leave it out: free answers are judged with --suite safety"
        raise UsageError(Problem(got="a judge without --adapter", do=do, key="--judge-model"))
    if not model:
        raise UsageError(Problem(got="no model", do="name a run or a base", key="MODEL"))
    from assay.pipeline.evaluate_file import evaluate_file
    from assay.pipeline.evaluate_suites import SuiteOptions, evaluate_suites
    from assay.pipeline.subject import load_subject
    from assay.release import wording
    from assay.release.measured import read_suites

    check_out_file(out)
    if suites:
        _refuse_with_suites(data, data_format, columns or [])
        options = SuiteOptions(max_items, max_new_tokens, seed, metric=metric)
        subject = load_subject(model, root=root, batch_size=batch_size)
        found = evaluate_suites(subject, suites, options, out=Path(out) if out else None)
        print_result(found, text=_write_table(subject, found["suites"]), as_json=as_json)
        return 0
    source = build_source(_require_file(data), data_format, columns or [])
    subject = load_subject(model, root=root, batch_size=batch_size)
    report = evaluate_file(
        subject,
        source,
        metric=metric,
        max_items=max_items,
        max_new_tokens=max_new_tokens,
        seed=seed,
        out=Path(out) if out else None,
    )
    (suite,) = read_suites({"suites": {"task": report}})
    parts = read_suites(
        {"suites": {name: {**part, "metric": name} for name, part in report["per_metric"].items()}}
    )
    lines = [
        f"{subject.name} on {data}: {suite.n} items, metric {suite.metric}",
        f"  {wording.measured(suite.arms.get('tuned'))}",
        *(
            f"  {part.name}: {wording.measured(part.arms.get('tuned'))} of {part.n}"
            for part in parts
        ),
    ]
    print_result(report, text="\n".join(lines), as_json=as_json)
    return 0


def _check_safety(
    adapter: str | None, base: str | None, suites: Sequence[str], given: Mapping[str, str | None]
) -> None:
    """Refuse what goes with no adapter of unknown origin, all of it at once."""
    problems = []
    if not adapter or not base:
        got = "--base without --adapter" if base else "no --adapter and --base"
        got = "--adapter without --base" if adapter else got
        do = "name the adapter and its base (a run is judged by `assay gate RUN`)"
        problems.append(Problem(got=got, allowed="both", do=do, key="--adapter"))
    if list(suites) != [SAFETY]:
        got = ", ".join(suites) or "none"
        do = "ask for it alone: a tuned model by name is asked any suite"
        problems.append(Problem(got=got, allowed=SAFETY, do=do, key="--suite"))
    problems += [
        Problem(got=f"{name} {value} beside --adapter", do="leave it out", key=name)
        for name, value in given.items()
        if value not in (None, "", "auto")
    ]
    if problems:
        raise UsageError(problems)


def _require_file(data: str | None) -> str:
    if data is None:
        do = "name a data FILE, or suites with --suite"
        raise UsageError(Problem(got="nothing to ask", do=do, key="FILE"))
    return data


def _refuse_with_suites(data: str | None, data_format: str, columns: Sequence[str]) -> None:
    """Refuse what a suite has no use for: a data file, and how its rows are read."""
    given = {"FILE": data, "--format": data_format if data_format != "auto" else None}
    given["--column"] = ", ".join(columns) or None
    problems = [
        Problem(got=f"{name} {value} beside --suite", do="leave one of both out", key=name)
        for name, value in given.items()
        if value is not None
    ]
    if problems:
        raise UsageError(problems)


def _write_table(subject: Subject, suites: Mapping[str, Mapping[str, Any]]) -> str:
    """A line for each suite, with its further figures under it."""
    rows = [("suite", "kind", "metric", "n", "score", "95 %", "unscored")]
    notes: dict[int, list[str]] = {}
    for name, report in suites.items():
        rows.append((name, report["kind"], report["metric"], *_read_figures(report["tuned"])))
        figures = report["tuned"].get("figures", {})
        notes[len(rows) - 1] = [
            f"    {title.replace('_', ' ')} {'–' if value is None else f'{value:.4g}'}"
            for title, value in figures.items()
        ]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [subject.name]
    for place, row in enumerate(rows):
        cells = [
            cell.rjust(width) if column > 2 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines += ["  " + "  ".join(cells).rstrip(), *notes.get(place, [])]
    return "\n".join(lines)


def _read_figures(found: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """How many items were scored, their mean with its interval, and how many were not."""
    from assay.release.wording import plain

    if found.get("perplexity") is not None:
        bounds = (found["perplexity_low"], found["perplexity_high"])
        mean, shown = plain(found["perplexity"]), [plain(b) for b in bounds if b is not None]
    else:
        bounds = (found["low"], found["high"])
        mean = "–" if found["mean"] is None else f"{found['mean']:.3f}"
        shown = [f"{bound:.3f}" for bound in bounds if bound is not None]
    return str(found["n"]), mean, " – ".join(shown) or "–", str(found["num_unscored"])


def build_source(path: str, shape: str, columns: list[str]) -> SourceConfig:
    """The options as a source of the recipe.

    Raises:
        UsageError: every option that is not understood.
    """
    from assay.config import SourceConfig

    shapes = get_args(SourceConfig.model_fields["format"].annotation)
    problems = [
        Problem(key="--column", got=each, allowed="FIELD=COLUMN", do="name a field and a column")
        for each in columns
        if not all(each.partition("="))
    ]
    if shape not in shapes:
        listed = ", ".join(shapes)
        problems.append(Problem(key="--format", got=shape, allowed=listed, do="choose one"))
    if problems:
        raise UsageError(problems)
    mapping = dict(each.split("=", 1) for each in columns)
    return SourceConfig.model_validate({"path": path, "format": shape, "columns": mapping})
