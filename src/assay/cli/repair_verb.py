"""`assay repair`: a held run to one that passes, where it can be mended, and what that costs."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli.output import JsonFlag, RootOption, print_result


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("repair")(repair)


def repair(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A held run: its folder, id or name.")],
    general: Annotated[
        str | None,
        typer.Option(
            help="Rows of what the base does well and safely: half of them choose, half are tuned"
            " on.  [default: defend.general of the recipe; built in for tiny]"
        ),
    ] = None,
    aligned: Annotated[
        str | None,
        typer.Option(help="With --unaligned: folder of the base's weights as they were aligned."),
    ] = None,
    unaligned: Annotated[
        str | None, typer.Option(help="With --aligned: the same weights before that.")
    ] = None,
    keep: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of the task's gain below which something dearer is tried."
        ),
    ] = 0.8,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be tried, and stop.")
    ] = False,
    root: RootOption = "runs",
    as_json: JsonFlag = False,
) -> int:
    """Mend a run that gates hold for lost skills, refusals or character.

    Tries interventions from the cheapest to the dearest: scales of the adapter, projection,
    ablation of a trait, a short safety tuning, tuning anew with defend: auto. One is chosen on
    questions that no gate reads, confirmed once on the run's own test items, and offered as a new
    run, with what it keeps of the task. Exit code 0: the new run is released; 3: it is held, too;
    2: a run that is not held, or for what no repair mends. The same command goes on after an
    interruption.
    """
    from assay.cli.live import open_progress
    from assay.cli.repaired import describe_plan, describe_repair
    from assay.pipeline.repair import RepairOptions, plan_repair, repair_run
    from assay.runs import find_run

    _check_pair(aligned, unaligned)
    options = RepairOptions(general, aligned, unaligned, keep)
    found = find_run(root, run)
    if dry_run:
        plan = plan_repair(found, options)
        print_result(plan, text=describe_plan(plan), as_json=as_json)
        return 0
    with open_progress(as_json=as_json) as progress:
        outcome = repair_run(found, options, progress=progress)
    value, text = describe_repair(outcome)
    print_result(value, text=text, as_json=as_json)
    return outcome.exit_code


def _check_pair(aligned: str | None, unaligned: str | None) -> None:
    from assay.errors import Problem, UsageError

    if bool(aligned) != bool(unaligned):
        got = "--aligned alone" if aligned else "--unaligned alone"
        raise UsageError(Problem(got, "both", "name both folders, or neither", key="command line"))
