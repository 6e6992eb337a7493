"""`assay runs`, `assay runs show` and `assay compare`; they read runs and change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonFlag, RootOption, print_result

if TYPE_CHECKING:
    from assay.evaluate.pair_runs import PairedSuite
    from assay.runs import Comparison, Difference, RunFolder, RunSummary

_NO_WRAP_CHARS = 28
_FILE_WIDTH = 1000

_RUN_HELP = "A run: its folder, id, start of id, or name (its newest run)."
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help=_RUN_HELP)]


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    runs = typer.Typer(help="List runs, or show one.", invoke_without_command=True)
    runs.callback()(list_all)
    runs.command("show")(show)
    app.add_typer(runs, name="runs")
    app.command()(compare)


def list_all(ctx: typer.Context, root: RootOption = "runs", as_json: JsonFlag = False) -> None:
    """List every run, newest first."""
    if ctx.invoked_subcommand is not None:
        # What is given before the verb holds for it, too.
        ctx.default_map = {ctx.invoked_subcommand: {"root": root, "as_json": as_json}}
        return
    from assay.runs import list_runs

    runs = list_runs(root)
    text = _render_runs(runs) if runs else f"no runs under {root}/"
    print_result([_describe(run) for run in runs], text=text, as_json=as_json)


def show(run: RunArgument, root: RootOption = "runs", as_json: JsonFlag = False) -> None:
    """Show one run: verdict, gates and scores."""
    from assay.runs import find_run, summarize

    found = find_run(root, run)
    summary = summarize(found)
    value = {**_describe(summary), **_details(found)}
    print_result(value, text=_render_run(found, summary), as_json=as_json)


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_RUN_HELP)],
    b: Annotated[str, typer.Argument(metavar="B", help="The run to lay beside it.")],
    root: RootOption = "runs",
    as_json: JsonFlag = False,
) -> None:
    """Lay two runs side by side: recipe, scores, gates, metrics.

    Of the recipe, the keys that differ; of the metrics, the last values. Where both answered the
    same items of a suite, the difference has an interval and a p-value.
    """
    from dataclasses import asdict

    from assay.runs import compare_runs, find_run

    runs = (find_run(root, a), find_run(root, b))
    found, paired = compare_runs(*runs), _pair_runs(*runs)
    value = {**asdict(found), "a": _describe(found.a), "b": _describe(found.b)}
    value["paired"] = [asdict(one) for one in paired]
    print_result(value, text=_render_comparison(found, paired), as_json=as_json)


def _pair_runs(a: RunFolder, b: RunFolder) -> list[PairedSuite]:
    """The suites that both runs measured; intervals are of a's confidence and seed."""
    from assay.evaluate.compare import Resampling
    from assay.evaluate.pair_runs import pair_runs
    from assay.runs.find import read_or_empty
    from assay.runs.values import dig, number

    confidence = number(dig(read_or_empty(a.evaluation), "statistics", "confidence"))
    resampling = Resampling(confidence=confidence or 0.95)
    return pair_runs(a.read_items(), b.read_items(), resampling=resampling)


def _describe(run: RunSummary) -> dict[str, Any]:
    return {**vars(run), "path": str(run.path)}


def _details(run: RunFolder) -> dict[str, Any]:
    from assay.runs.find import read_or_empty

    return {
        "verdict": read_or_empty(run.verdict) or None,
        "evaluation": read_or_empty(run.evaluation) or None,
        "sweep": read_or_empty(run.manifest).get("sweep"),
        "report": str(run.report) if run.report.exists() else None,
    }


def _render_runs(runs: list[RunSummary]) -> str:
    from assay.release import wording

    rows = [
        [
            run.name,
            run.id,
            _when(run.created),
            run.base,
            run.method,
            run.status,
            wording.points(run.gain) if run.gain is not None else "–",
        ]
        for run in runs
    ]
    return _table(["name", "id", "when", "base", "method", "status", "gain (points)"], rows)


def _render_run(run: RunFolder, summary: RunSummary) -> str:
    from assay.cli.outcome import render_measured
    from assay.cli.swept import render_sweep
    from assay.release.swept import read_sweep
    from assay.runs.find import read_or_empty

    head = [
        f"{summary.name}  {summary.id}  {summary.status}",
        summary.headline,
        f"{summary.base}, {summary.method}, {summary.objective}, {_when(summary.created)}",
    ]
    tried = read_sweep(run)
    blocks = [render_sweep(tried)] if tried else []
    blocks += render_measured(read_or_empty(run.evaluation), read_or_empty(run.verdict))
    report = [f"report: {run.report}"] if run.report.exists() else []
    return "\n\n".join(["\n".join(head), *blocks, *report])


def _render_comparison(found: Comparison, paired: list[PairedSuite]) -> str:
    names = [f"a  {found.a.name} {found.a.id}", f"b  {found.b.name} {found.b.id}"]
    blocks = [
        "\n".join(
            f"{name}  {run.status}" for name, run in zip(names, (found.a, found.b), strict=True)
        )
    ]
    if found.same_items is False:
        blocks.append("The two were measured on different items: their scores do not compare.")
    blocks += [
        _render_differences("recipe", found.recipe),
        _render_differences("scores", found.evaluation),
        _render_pairs(paired),
        _render_differences("gates", found.gates),
        _render_differences("last metrics", found.metrics),
    ]
    return "\n\n".join(block for block in blocks if block)


def _render_pairs(paired: list[PairedSuite]) -> str:
    """The paired differences b − a, in hundredths of a score; or why there is none."""
    rows = [[f"{one.suite}/{one.variant}", *_render_pair(one)] for one in paired]
    return _table(["paired", "n", "b − a, in points", "p", "test"], rows) if rows else ""


def _render_pair(one: PairedSuite) -> list[str]:
    from assay.release import wording

    found = one.comparison
    if found is None:
        return ["–", f"not paired: {one.reason}", "", ""]
    difference = wording.points(found["difference"])
    if found["low"] is not None:
        level = wording.percent_level(found["confidence"])
        low, high = wording.points(found["low"]), wording.points(found["high"])
        difference += f" [{low}, {high}] at {level}"
    groups = f" in {found['num_groups']} groups" if found["num_groups"] < found["n"] else ""
    p_value = "–" if found["p_value"] is None else wording.chance(found["p_value"])
    test = (found["test"] or "").replace("_", " ")
    if found["n01"] is not None:
        test += f" ({found['n10']} better, {found['n01']} worse)"
    return [f"{found['n']}{groups}", difference, p_value, test]


def _render_differences(title: str, rows: list[Difference]) -> str:
    shown = [[row.key, _short(row.a), _short(row.b)] for row in rows]
    return _table([title, "a", "b"], shown) if shown else ""


def _short(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _when(created: str) -> str:
    return created.replace("T", " ")[:16]


def _table(columns: list[str], rows: list[list[str]]) -> str:
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, column in enumerate(columns):
        longest = max(len(row[index]) for row in rows)
        table.add_column(column, no_wrap=longest <= _NO_WRAP_CHARS, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    # A file or a pipe has no width to fit into: a row stays one line there.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _FILE_WIDTH)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())
