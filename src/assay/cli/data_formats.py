"""`assay data formats`: which layout of rows suits a base, before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.data_options import ColumnOption, FormatOption
from assay.cli.output import JsonFlag, RootOption, print_result

if TYPE_CHECKING:
    from assay.pipeline.formats import FormatsReport


def formats(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Rows of questions and answers.")
    ],
    base: Annotated[
        str, typer.Option(help="A base (tiny, a folder or a Hub id), or a run.")
    ] = "tiny",
    data_format: FormatOption = "auto",
    columns: ColumnOption = None,
    max_rows: Annotated[int, typer.Option(min=8, help="Most rows, drawn by seed.")] = 64,
    seed: Annotated[int, typer.Option(help="Seed of the rows that are drawn.")] = 0,
    root: RootOption = "runs",
    as_json: JsonFlag = False,
) -> int:
    """Score the same answers in several layouts by the base's loss."""
    from assay.cli.eval_verb import build_source
    from assay.errors import EXIT_OK
    from assay.pipeline.formats import compare_formats
    from assay.pipeline.subject import load_subject

    sources = [build_source(path, data_format, columns or []) for path in files]
    subject = load_subject(base, root=root)
    report = compare_formats(
        subject.engine,
        subject.base.tokenizer,
        sources,
        base=subject.name,
        context_len=subject.base.context_len,
        max_rows=max_rows,
        seed=seed,
    )
    print_result(report.to_json(), text=render_formats(report), as_json=as_json)
    return EXIT_OK


def render_formats(report: FormatsReport) -> str:
    """The table, best first, and what it says."""
    lines = [
        f"{report.base} on {report.n} rows; loss in nats a token of the answers, untrained",
        "",
        f"{'layout':22} {'loss':>8}  {'above the best (95 %)':>24} {'tokens a row':>13}",
    ]
    for one in report.layouts:
        gap = one.difference
        interval = (
            "best"
            if one.name == report.best
            else (f"{gap.difference:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]")
        )
        level = "" if one.is_level else "  worse"
        lines.append(f"{one.name:22} {one.loss:8.3f}  {interval:>24} {one.tokens:13.1f}{level}")
    if report.left_out:
        left = ", ".join(f"{count} {reason}" for reason, count in report.left_out.items())
        lines += ["", f"left out: {left}"]
    lines += ["", _advise(report)]
    return "\n".join(lines)


def _advise(report: FormatsReport) -> str:
    if report.best == report.cheapest:
        return f"lowest loss and, of those level with it, fewest tokens: {report.best}"
    return (
        f"lowest loss: {report.best}; {report.cheapest} has fewer tokens, and these rows do not"
        " show that it is worse"
    )
