"""`assay run` and `assay sweep`: a recipe to its verdict, watched; they draw and decide nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli.output import JsonFlag

RecipeArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="A recipe file, or its folder; with --resume that, or a run's folder, id or name.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Settings to change, e.g. train.epochs=5."),
]
SweepOverrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE", help="Settings to change or try, e.g. sweep.learning_rate=[1e-4,1e-3]."
    ),
]
DryRunFlag = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Check the recipe, print every setting with its reason, and stop."
    ),
]
ResumeFlag = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with the newest interrupted run (of RECIPE, if given) as it was begun.",
    ),
]
ResumeRoot = Annotated[
    str | None,
    typer.Option(
        "--root",
        help="With --resume: folder of the runs.  [default: output of the recipe, or runs]",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    app.command("run")(run)
    app.command("sweep")(sweep)


def run(
    recipe: RecipeArgument = "",
    overrides: Overrides = None,
    dry_run: DryRunFlag = False,
    resume: ResumeFlag = False,
    root: ResumeRoot = None,
    as_json: JsonFlag = False,
) -> int:
    """Run a recipe: tune, evaluate, gate, then release or hold.

    Exit code 0: released; 2: something in the recipe or the data to correct; 3: held, with reasons;
    4: out of memory or disk; 130: interrupted, to go on with --resume.
    """
    from assay.cli.start import RUN, start

    options = {"dry_run": dry_run, "resume": resume, "as_json": as_json}
    return start(RUN, recipe, overrides or [], root=root, **options)


def sweep(
    recipe: RecipeArgument = "",
    overrides: SweepOverrides = None,
    dry_run: DryRunFlag = False,
    resume: ResumeFlag = False,
    root: ResumeRoot = None,
    as_json: JsonFlag = False,
) -> int:
    """Train several settings at once on one base, and run the best to its verdict.

    Every combination of the values under `sweep` gets an adapter of its own; the base is loaded,
    the data prepared and the baseline measured once. The best validation loss is chosen, and that
    one alone is measured on the test rows. Exit codes are those of `assay run`.
    """
    from assay.cli.start import SWEEP, start

    options = {"dry_run": dry_run, "resume": resume, "as_json": as_json}
    return start(SWEEP, recipe, overrides or [], root=root, **options)
