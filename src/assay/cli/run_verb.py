"""`assay run`: a recipe to its verdict, watched; it draws and decides nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonFlag, print_result

if TYPE_CHECKING:
    from assay.errors import UsageError
    from assay.pipeline import RunOutcome
    from assay.runs import RunFolder


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("run")(run)


def run(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="A recipe file, or its folder; with --resume that, or a run's folder, id or name.",
        ),
    ] = "",
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Settings to change, e.g. train.epochs=5."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Check the recipe, print every setting with its reason, and stop."
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the newest interrupted run (of RECIPE, if given) as it was begun.",
        ),
    ] = False,
    root: Annotated[
        str | None,
        typer.Option(
            "--root",
            help="With --resume: folder of the runs.  [default: output of the recipe, or runs]",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """Run a recipe: tune, evaluate, gate, then release or hold.

    Exit code 0: released; 2: something in the recipe or the data to correct; 3: held, with reasons;
    4: out of memory or disk; 130: interrupted, to go on with --resume.
    """
    from assay.errors import UsageError

    if resume:
        _refuse_changes(recipe, overrides or [], dry_run=dry_run)
        return _finish(_resume(recipe, root, as_json=as_json), as_json=as_json)
    if not recipe:
        raise UsageError("no recipe given; name a recipe file or folder, or make one: assay init")
    if root is not None:
        raise _usage("--root without --resume", "--root with --resume", f"write output={root}")
    from assay.config import render_dry_run
    from assay.pipeline.check import load_checked

    loaded = load_checked(recipe, overrides or [])
    if dry_run:
        value = {"recipe": loaded.recipe.model_dump(mode="json"), "reasons": loaded.reasons}
        print_result(value, text=render_dry_run(loaded), as_json=as_json)
        return 0
    from assay.cli.live import open_progress
    from assay.pipeline import run_recipe

    with open_progress(as_json=as_json) as progress:
        outcome = run_recipe(loaded, progress=progress)
    return _finish(outcome, as_json=as_json)


def _refuse_changes(recipe: str, overrides: list[str], *, dry_run: bool) -> None:
    """A run that goes on keeps the recipe that it began with: refuse whatever would change it."""
    import os

    if dry_run:
        raise _usage("--dry-run with --resume", "one of them", "leave one out")
    is_override = "=" in recipe and not os.path.exists(recipe)
    changes = [recipe, *overrides] if is_override else overrides
    if changes:
        raise _usage(
            f"{' '.join(changes)} with --resume",
            "the settings that the run began with",
            "leave it out, or start a new run without --resume",
        )


def _usage(got: str, allowed: str, do: str) -> UsageError:
    from assay.errors import Problem, UsageError

    return UsageError(Problem(got, allowed, do, key="command line"))


def _resume(wanted: str, root: str | None, *, as_json: bool) -> RunOutcome:
    from assay.cli.live import open_progress
    from assay.pipeline import resume_run

    run = _find_interrupted(wanted, root)
    with open_progress(as_json=as_json) as progress:
        return resume_run(run, progress=progress)


def _find_interrupted(wanted: str, root: str | None) -> RunFolder:
    """The run to go on with: the one named, else the newest interrupted one (of a recipe)."""
    from pathlib import Path

    from assay.config import load
    from assay.errors import CheckpointError
    from assay.runs import RunFolder, find_run, find_unfinished

    name, path = wanted, Path(wanted)
    if wanted and RunFolder(path).exists:
        return RunFolder.open(path)
    if path.is_file() or (wanted and (path / "recipe.yaml").is_file()):
        recipe = load(path).recipe
        name, root = recipe.name or "", root or recipe.output
    root = root or "runs"
    found = find_unfinished(root, name)
    if found is None and not wanted:
        raise CheckpointError(f"no interrupted run under {root}/; name one, or start a new run")
    return found or find_run(root, name)


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
