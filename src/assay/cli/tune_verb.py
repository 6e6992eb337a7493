"""`assay tune`: a recipe to its tuned weights, watched; it draws and decides nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli.output import JsonFlag, print_result
from assay.cli.run_verb import DryRunFlag, Overrides, RecipeArgument, ResumeFlag, ResumeRoot


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("tune")(tune)


def tune(
    recipe: RecipeArgument = "",
    overrides: Overrides = None,
    profile: Annotated[
        bool,
        typer.Option(
            "--profile",
            help="Measure time and memory by phase (profile.json) and trace a few steps.",
        ),
    ] = False,
    dry_run: DryRunFlag = False,
    resume: ResumeFlag = False,
    root: ResumeRoot = None,
    as_json: JsonFlag = False,
) -> int:
    """Tune a recipe, and stop: no baseline, no gates, no verdict.

    The run can be talked to, measured and exported; `assay run --resume RUN` judges it later.
    Exit code 0: tuned; 2: something in the recipe or the data to correct; 4: out of memory or disk;
    130: interrupted, to go on with --resume.
    """
    from assay.cli.live import open_progress
    from assay.cli.profiled import render_profile
    from assay.cli.start import choose_work, find_interrupted
    from assay.errors import UsageError
    from assay.pipeline.check import refuse_sweep
    from assay.pipeline.tune_run import resume_tuning, run_tuning

    if profile and resume:
        raise UsageError("--profile with --resume: a profile is of a whole tuning; leave one out")
    work = choose_work(
        recipe,
        overrides or [],
        check=refuse_sweep,
        dry_run=dry_run,
        resume=resume,
        root=root,
        as_json=as_json,
    )
    if work is None:
        return 0
    with open_progress(as_json=as_json) as progress:
        if work.loaded is None:
            run = find_interrupted(work.wanted, root)
            outcome = resume_tuning(run, work.overrides, progress=progress)
        else:
            outcome = run_tuning(work.loaded, profile=profile, progress=progress)
    training = outcome.training
    lines = [
        f"tuned    {training.num_steps} steps, {training.num_tokens:,} tokens, validation loss"
        f" {training.loss_validation_base:.3f} to {training.loss_validation:.3f}",
        f"run      {outcome.run.path}",
        f"talk     assay chat {outcome.run.path}",
        f"judge    assay run --resume {outcome.run.path}",
    ]
    if outcome.profile:
        lines = [render_profile(outcome.profile), "", *lines]
    value = {
        "run": str(outcome.run.path),
        "training": training.to_dict(),
        "profile": outcome.profile,
        "exit_code": 0,
    }
    print_result(value, text="\n".join(["", *lines]), as_json=as_json)
    return 0
