"""`assay keys`: the API keys of a server's store; it parses, calls and prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonFlag, print_result
from assay.cli.serve_verb import DEFAULT_STORE, DatabaseOption, StoreOption

if TYPE_CHECKING:
    from assay.runs.store import Key

_DAY_S = 86_400.0


def register(app: typer.Typer) -> None:
    """Add the group to `app`."""
    group = typer.Typer(help="API keys of `assay serve`.")
    group.callback()(_group)
    group.command("create")(create)
    group.command("list")(list_)
    group.command("revoke")(revoke)
    app.add_typer(group, name="keys")


def _group() -> None:
    """The group itself does nothing: a verb does."""


def create(
    name: Annotated[str, typer.Argument(help="Whose it is, or what for.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="admin, train or infer; again for several.")
    ] = None,
    project: Annotated[str, typer.Option(help="Project that it belongs to.")] = "proj_default",
    days: Annotated[
        float | None, typer.Option(min=0, help="Days until it expires.  [default: never]")
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Most requests a minute.  [default: no limit]")
    ] = None,
    token_budget: Annotated[
        int | None, typer.Option(min=0, help="Tokens that it may use.  [default: no limit]")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    database: DatabaseOption = "",
    as_json: JsonFlag = False,
) -> int:
    """Make a key and show it, this once."""
    from assay.runs.store import add_key, open_store

    key, secret = add_key(
        open_store(store, database),
        name,
        scope or ["infer"],
        project=project,
        expires_in_s=None if days is None else days * _DAY_S,
        requests_per_minute=requests_per_minute,
        token_budget=token_budget,
    )
    print_result(_describe(key) | {"key": secret}, text=secret, as_json=as_json)
    return 0


def list_(
    store: StoreOption = DEFAULT_STORE, database: DatabaseOption = "", as_json: JsonFlag = False
) -> int:
    """List the keys, without their secrets."""
    from assay.runs.store import list_keys, open_store

    rows = [_describe(key) for key in list_keys(open_store(store, database))]
    text = "\n".join("  ".join(str(value) for value in row.values()) for row in rows)
    print_result(rows, text=text or "no keys", as_json=as_json)
    return 0


def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `assay keys list` shows it.")],
    store: StoreOption = DEFAULT_STORE,
    database: DatabaseOption = "",
    as_json: JsonFlag = False,
) -> int:
    """Let a key open nothing any more, from its next request on."""
    from assay.errors import Problem, UsageError
    from assay.runs.store import open_store, revoke_key

    if not revoke_key(open_store(store, database), key_id):
        problem = Problem(f"no valid key {key_id!r}", do="see assay keys list", key="command line")
        raise UsageError(problem)
    print_result({"revoked": key_id}, text=f"revoked {key_id}", as_json=as_json)
    return 0


def _describe(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "scopes": " ".join(sorted(key.scopes)),
        "project": key.project,
        "revoked": key.revoked_at is not None,
    }
