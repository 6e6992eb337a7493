"""`assay router explain` and `assay router replay`: why a prompt goes where; policies compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonFlag, print_result

if TYPE_CHECKING:
    from assay.serve.router.explain import Explained
    from assay.serve.router.replay import Comparison


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    router = typer.Typer(
        help="Say where a router's policy sends a prompt, and compare policies on its log.",
        no_args_is_help=True,
    )
    router.command()(explain)
    router.command()(replay)
    app.add_typer(router, name="router")


def explain(
    prompt: Annotated[
        str, typer.Argument(help="A prompt, or a file of it: text, or JSON with `messages`.")
    ],
    policy: Annotated[Path, typer.Option(help="The router's policy (YAML or JSON).")],
    store: Annotated[
        str, typer.Option("--store", help="Folder of the server's files, jobs and database.")
    ] = "assay-store",
    database: Annotated[
        str,
        typer.Option(
            envvar="ASSAY_DATABASE",
            help="URL of a PostgreSQL database.  [default: SQLite in the store's folder]",
        ),
    ] = "",
    models: Annotated[str, typer.Option(help="JSON file of names and their bases.")] = "",
    served: Annotated[str, typer.Option("--model", help="The base that is served.")] = "tiny",
    project: Annotated[str, typer.Option(help="Of the key that would ask.")] = "default",
    label: Annotated[str, typer.Option(help="The request's privacy label.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Say where a prompt would go, by which rule, and what each adapter's scope says of it.

    No model answers, and nothing is sent anywhere.
    """
    from assay.runs.store import open_store
    from assay.serve.bases import read_bases
    from assay.serve.router.explain import explain_prompt, read_prompt
    from assay.serve.router.file import load_policy

    chosen, messages = load_policy(policy), read_prompt(prompt)
    opened = open_store(store, database)
    try:
        found = explain_prompt(
            opened, read_bases(models), served, chosen, messages, project=project, label=label
        )
    finally:
        opened.close()
    print_result(found.to_dict(), text=_render_explained(found), as_json=as_json)


def _render_explained(found: Explained) -> str:
    decision = found.decision
    rule = f" (rule {decision.rule})" if decision.rule else ""
    facts = ", ".join(f"{name} {value!r}" for name, value in vars(found.facts).items())
    lines = [f"to        {decision.to}", f"reason    {decision.reason}{rule}", f"facts     {facts}"]
    for name, one in decision.readings.items():
        told = one.obstacle or f"p {one.p_value:.4f}, level {found.levels[name]:g}"
        inside = "inside" if name in found.inside else "outside"
        lines.append(f"{inside:<9} {name}: {told} ({one.model or one.asked})")
    return "\n".join(lines)


def replay(
    log: Annotated[Path, typer.Argument(help="A routing log of `assay serve --router`.")],
    policy: Annotated[
        list[Path], typer.Option(help="A policy; give two, of which the second is compared.")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Compare two policies on recorded traffic: where each would have sent every request."""
    from assay.errors import Problem, UsageError
    from assay.serve.router.file import load_policy
    from assay.serve.router.log import read_log
    from assay.serve.router.replay import replay as compare

    if len(policy) != 2:
        got = f"{len(policy)} times --policy"
        raise UsageError(Problem(got, "two policies", "name both", key="command line"))
    a, b = (load_policy(one) for one in policy)
    found = compare(read_log(log), a, b)
    print_result(found.to_dict(), text=_render_comparison(found), as_json=as_json)


def _render_comparison(found: Comparison) -> str:
    lines = [f"{found.num:,} requests, {found.num_changed:,} of which go elsewhere"]
    lines += [f"  {'A':>8} {'B':>8}  to"]
    for name in sorted({*found.a, *found.b}):
        lines.append(f"  {found.a[name]:>8,} {found.b[name]:>8,}  {name}")
    changed: list[Any] = [(pair, num) for pair, num in found.moves.most_common()]
    lines += [f"  {num:,}: {one} → {other}" for (one, other), num in changed if one != other]
    if found.changed:
        lines.append(f"lines that change: {', '.join(map(str, found.changed))}")
    return "\n".join(lines)
