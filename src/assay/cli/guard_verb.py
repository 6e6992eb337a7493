"""`assay guard`: a tool policy before any OpenAI-compatible server; it parses and calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.output import JsonFlag, RootOption

if TYPE_CHECKING:
    from assay.tools.policy import Policy


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("guard")(guard)


def guard(
    upstream: Annotated[
        str, typer.Option(help="Base URL of the server behind it, such as http://host:8000/v1.")
    ],
    policy: Annotated[Path | None, typer.Option(help="A tool policy (YAML or JSON).")] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="A released run, whose signed policy is taken.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8001,
    log: Annotated[
        Path | None, typer.Option(help="File for what was decided.  [default: stderr]")
    ] = None,
    root: RootOption = "runs",
    as_json: JsonFlag = False,
) -> int:
    """Check every tool call of a server's answers against a policy before a client sees it.

    Point the client's base_url at it in place of the server's; its key goes on to the server.
    """
    from assay.serve.guard import build_guard, check_upstream
    from assay.serve.guard_log import open_log
    from assay.serve.run import Address, serve

    url = check_upstream(upstream)
    chosen = _load(policy, run, root)
    with open_log(log) as tell:
        serve(build_guard(chosen, url, log=tell), Address(host, port), as_json=as_json)
    return 0


def _load(policy: Path | None, run: str | None, root: str) -> Policy:
    """The policy of a file or of a release.

    Raises:
        UsageError: neither was named, or both.
    """
    from assay.errors import Problem, UsageError
    from assay.release import read_released_policy
    from assay.runs import find_run
    from assay.tools.policy import load_policy

    if (policy is None) == (run is None):
        got = "neither --policy nor --run" if policy is None else "both --policy and --run"
        do = "name a policy file, or a released run"
        raise UsageError(Problem(got, "one of them", do, key="command line"))
    if policy is not None:
        return load_policy(policy)
    return read_released_policy(find_run(root, str(run)).path)
