"""`assay run`: a recipe to its verdict, watched; it draws and decides nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonFlag, print_result

if TYPE_CHECKING:
    from assay.pipeline import RunOutcome


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("run")(run)


def run(
    recipe: Annotated[
        str, typer.Argument(help="A recipe, or its folder; with --resume, a run (or nothing).")
    ] = "",
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Overrides, e.g. train.epochs=5")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the resolved recipe, with reasons, and stop.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run: the newest, or RECIPE.")
    ] = False,
    root: Annotated[str, typer.Option("--root", help="Where runs lie, for --resume.")] = "runs",
    as_json: JsonFlag = False,
) -> int:
    """Tune, evaluate, gate, and release or hold, by a recipe."""
    from assay.errors import UsageError

    if not recipe and not resume:
        raise UsageError("no recipe given; name a recipe file or folder, or make one: assay init")
    if resume:
        return _finish(_resume(recipe, root, as_json=as_json), as_json=as_json)
    from assay.config import load, render_dry_run

    loaded = load(recipe, overrides or [])
    if dry_run:
        value = {"recipe": loaded.recipe.model_dump(mode="json"), "reasons": loaded.reasons}
        print_result(value, text=render_dry_run(loaded), as_json=as_json)
        return 0
    from assay.cli.live import open_progress
    from assay.pipeline import run_recipe

    with open_progress(as_json=as_json) as progress:
        outcome = run_recipe(loaded, progress=progress)
    return _finish(outcome, as_json=as_json)


def _resume(wanted: str, root: str, *, as_json: bool) -> RunOutcome:
    from assay.cli.live import open_progress
    from assay.errors import CheckpointError
    from assay.pipeline import resume_run
    from assay.runs import find_run, list_runs

    if wanted:
        found = find_run(root, wanted)
    else:
        open_runs = [summary for summary in list_runs(root) if summary.status == "unfinished"]
        if not open_runs:
            raise CheckpointError(f"no interrupted run under {root}/; name one, or start a new run")
        found = find_run(root, open_runs[0].path)
    with open_progress(as_json=as_json) as progress:
        return resume_run(found, progress=progress)


def _finish(outcome: RunOutcome, *, as_json: bool) -> int:
    value: dict[str, Any] = {
        "run": str(outcome.run.path),
        "verdict": outcome.verdict,
        "task": outcome.evaluation["suites"].get("task"),
        "report": str(outcome.run.report),
        "signer": outcome.signer,
        "exit_code": outcome.exit_code,
    }
    from assay.cli.outcome import render_outcome

    print_result(value, text="" if as_json else render_outcome(outcome), as_json=as_json)
    return outcome.exit_code
