"""`assay override`: serves a model that its gates hold, for a reason; it parses and calls."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli.output import JsonFlag, print_result
from assay.cli.serve_verb import DEFAULT_STORE, DatabaseOption, StoreOption

_ACTOR = "command line"


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("override")(override)


def override(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A held model of the store.")],
    reason: Annotated[str, typer.Option(help="Why; kept for ever, and needed.")],
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Hold it again; aliases that point at it go back.")
    ] = False,
    store: StoreOption = DEFAULT_STORE,
    database: DatabaseOption = "",
    as_json: JsonFlag = False,
) -> int:
    """Serve a model although its gates hold it, from its next request on."""
    from assay.runs.store import open_store
    from assay.serve.lifecycle.overriding import describe_override, hold_again, override_model

    change = hold_again if revoke else override_model
    row = change(open_store(store, database), model, actor=_ACTOR, reason=reason)
    text = f"{model} is held again" if revoke else f"{model} is served: {row.reason}"
    print_result(describe_override(row), text=text, as_json=as_json)
    return 0
