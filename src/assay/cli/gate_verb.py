"""`assay gate`: what a policy says of a run, from what it stored; it releases nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli.output import JsonFlag, RootOption, print_result


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("gate")(gate)


def gate(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run: its folder, id or name.")],
    policy: Annotated[
        str | None,
        typer.Option(
            help="minimal, standard, strict, agent, or a policy file.  [default: the run's own]"
        ),
    ] = None,
    root: RootOption = "runs",
    as_json: JsonFlag = False,
) -> int:
    """Judge a run again by any policy, from its stored answers, without running a model."""
    from assay.cli.outcome import render_measured
    from assay.config import load
    from assay.errors import EXIT_HELD, EXIT_OK
    from assay.evaluate.gates import load_policy
    from assay.pipeline.gate import load_gate_policy
    from assay.pipeline.regate import regate
    from assay.runs import find_run, read_json

    found = find_run(root, run)
    if policy:
        chosen = load_policy(policy)
    else:
        folder = read_json(found.manifest).get("recipe_folder")
        chosen = load_gate_policy(load(found.recipe, base_dir=folder))
    judged = regate(found, chosen)
    verdict = judged.to_dict()
    blocks = [
        f"{found.path} by {chosen.name}",
        *render_measured(judged.evaluation, verdict),
        f"{verdict['status'].upper()}: {verdict['headline']}",
    ]
    print_result(verdict, text="\n\n".join(blocks), as_json=as_json)
    return EXIT_OK if verdict["status"] == "released" else EXIT_HELD
