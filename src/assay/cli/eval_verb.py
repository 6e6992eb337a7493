"""`assay eval`: a model on a data file, with intervals, without training anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, get_args

import typer

from assay.cli.output import JsonFlag, RootOption, check_out_file, print_result

if TYPE_CHECKING:
    from assay.config import SourceConfig


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("eval")(evaluate)


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A run (folder, id or name), or a base (tiny, a folder or a Hub id).",
        ),
    ],
    data: Annotated[
        str,
        typer.Argument(metavar="FILE", help="Rows; the last answer of each is its reference."),
    ],
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
        str | None, typer.Option(help="Write each item and answer to this file (JSONL).")
    ] = None,
    root: RootOption = "runs",
    as_json: JsonFlag = False,
) -> int:
    """Score a tuned model or a base on a data file."""
    from pathlib import Path

    from assay.pipeline.evaluate_file import evaluate_file
    from assay.pipeline.subject import load_subject
    from assay.release import wording
    from assay.release.measured import read_suites

    source = build_source(data, data_format, columns or [])
    check_out_file(out)
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


def build_source(path: str, shape: str, columns: list[str]) -> SourceConfig:
    """The options as a source of the recipe.

    Raises:
        UsageError: every option that is not understood.
    """
    from assay.config import SourceConfig
    from assay.errors import Problem, UsageError

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
