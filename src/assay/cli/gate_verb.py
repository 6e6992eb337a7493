"""`assay gate`: what a policy says of a run or of an adapter; it trains and releases nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.gate_calibrate import calibrate
from assay.cli.group import DefaultVerb
from assay.cli.judge_options import JudgeHost, JudgeKey, JudgeModel, JudgeUrl, choose_judge
from assay.cli.output import JsonFlag, RootOption, print_result

if TYPE_CHECKING:
    from assay.evaluate.gates import Policy


class _Judge(DefaultVerb):
    default = "judge"
    bare = True


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    gates = typer.Typer(
        cls=_Judge,
        help="Judge a run or an adapter (assay gate RUN, see `assay gate judge --help`), or set a"
        " policy's bounds from runs that are known to be benign.",
    )
    gates.command("judge")(gate)
    gates.command("calibrate")(calibrate)
    app.add_typer(gates, name="gate")


def gate(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run: its folder, id or name; or use --adapter.")
    ] = "",
    policy: Annotated[
        str | None,
        typer.Option(
            help="minimal, standard, strict, agent, or a policy file."
            "  [default: the run's own; standard for an adapter]"
        ),
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option(help="An adapter trained elsewhere: a folder that PEFT wrote."),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="With --adapter: the base that it is of.")
    ] = None,
    rows: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="With --adapter: rows that it was trained on, with the canary file beside them;"
            " repeatable.  [default: its origin is unknown]",
        ),
    ] = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="With --adapter: rows of its task that it was not trained on; repeatable.",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="With RUN: its model in another form (quantised, say), a Transformers folder;"
            " it is asked what the run was."
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            help="With --adapter or --weights: folder for answers, readings and verdict; an"
            " interrupted judgement goes on from it.  [default: gates/NAME, WEIGHTS-gates]"
        ),
    ] = None,
    max_items: Annotated[
        int, typer.Option(min=1, help="With --adapter: most items of a suite or probe.")
    ] = 200,
    seed: Annotated[int, typer.Option(help="With --adapter: of what is drawn.")] = 0,
    judge_model: JudgeModel = None,
    judge_url: JudgeUrl = None,
    judge_key_env: JudgeKey = None,
    judge_host: JudgeHost = None,
    root: RootOption = "runs",
    as_json: JsonFlag = False,
) -> int:
    """Judge a run from its stored answers, a form of it, or an adapter trained elsewhere."""
    from assay.cli.outcome import render_measured
    from assay.errors import EXIT_HELD, EXIT_OK, Problem, UsageError
    from assay.evaluate.gates import load_policy

    _check_options(run, adapter, base, [*(rows or ()), *(held_out or ())], weights)
    judge = choose_judge(judge_model, judge_url, judge_key_env, judge_host)
    if judge is not None and adapter is None:
        do = "name it in the recipe: evaluate.suites: [{path: free_form, judge: …}]"
        raise UsageError(Problem(got="a judge for a run", do=do, key="--judge-model"))
    if weights is not None:
        title, evaluation, verdict = _judge_weights(run, root, policy, weights, out, as_json)
    elif adapter is None:
        title, evaluation, verdict = _judge_run(run, root, policy)
    else:
        from pathlib import Path

        from assay.cli.live import open_progress
        from assay.pipeline.adapter import judge_adapter
        from assay.pipeline.known_rows import load_known_rows

        chosen = load_policy(policy or "standard")
        known = load_known_rows([*map(Path, rows or ())], [*map(Path, held_out or ())])
        folder = Path(out) if out else Path("gates") / Path(adapter).resolve().name
        with open_progress(as_json=as_json) as progress:
            judged = judge_adapter(
                Path(adapter),
                str(base),
                chosen,
                out=folder,
                known=known,
                judge=judge,
                max_items=max_items,
                seed=seed,
                progress=progress,
            )
        title = f"{adapter} on {base} by {chosen.name}; written to {folder}"
        evaluation, verdict = judged.evaluation, judged.to_dict()
    blocks = [
        title,
        *render_measured(evaluation, verdict),
        f"{verdict['status'].upper()}: {verdict['headline']}",
    ]
    print_result(verdict, text="\n\n".join(blocks), as_json=as_json)
    return EXIT_OK if verdict["status"] == "released" else EXIT_HELD


def _check_options(
    run: str,
    adapter: str | None,
    base: str | None,
    known: Sequence[str],
    weights: str | None,
) -> None:
    from assay.errors import Problem, UsageError

    problems = []
    if bool(run) == bool(adapter):
        got = "both a run and --adapter" if run else "neither a run nor --adapter"
        problems.append(Problem(got=got, allowed="one of them", do="name what is to be judged"))
    if weights and adapter:
        problems.append(
            Problem(
                got="--weights beside --adapter",
                allowed="--weights with a run",
                do="name the run that the weights are of",
            )
        )
    if bool(adapter) != bool(base):
        got = "--adapter without --base" if adapter else "--base without --adapter"
        problems.append(Problem(got=got, allowed="both", do="name the adapter and its base"))
    if known and not adapter:
        got = f"{', '.join(known)} without --adapter"
        do = "leave --rows and --held-out out: a run has its own"
        problems.append(Problem(got=got, do=do, key="--rows"))
    if problems:
        raise UsageError(problems)


def _judge_weights(
    name: str, root: str, policy: str | None, weights: str, out: str | None, as_json: bool
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    from pathlib import Path

    from assay.cli.live import open_progress
    from assay.pipeline.export import judge_weights

    with open_progress(as_json=as_json) as progress:
        judged = judge_weights(
            name, Path(weights), root=root, gates=policy, out=out, progress=progress
        )
    differ = f"{judged.num_changed} of {judged.num_answers} answers differ from the run's own"
    return f"{weights}, a form of {name}: {differ}", judged.evaluation, judged.to_dict()


def _judge_run(
    name: str, root: str, policy: str | None
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    from assay.config import load
    from assay.evaluate.gates import load_policy
    from assay.pipeline.gate import load_gate_policy
    from assay.pipeline.regate import regate
    from assay.runs import find_run, read_json

    run = find_run(root, name)
    if policy:
        chosen: Policy = load_policy(policy)
    else:
        folder = read_json(run.manifest).get("recipe_folder")
        chosen = load_gate_policy(load(run.recipe, base_dir=folder))
    judged = regate(run, chosen)
    return f"{run.path} by {chosen.name}", judged.evaluation, judged.to_dict()
