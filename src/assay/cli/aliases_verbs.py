"""`assay promote`, `assay rollback` and `assay alias`: where aliases of a server's store point."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonFlag, print_result
from assay.cli.serve_verb import DEFAULT_STORE, DatabaseOption, StoreOption

if TYPE_CHECKING:
    from assay.runs.store import Store

_ACTOR = "command line"
Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="NAME@STAGE, such as support@prod.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the history.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    app.command("promote")(promote)
    app.command("rollback")(rollback)
    group = typer.Typer(help="Aliases of `assay serve`: where they point, and have pointed.")
    group.callback()(_group)
    group.command("list")(list_)
    group.command("history")(history)
    group.command("remove")(remove)
    app.add_typer(group, name="alias")


def _group() -> None:
    """The group itself does nothing: a verb does."""


def promote(
    alias: Alias,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A released model of the store.")],
    reason: Reason = "",
    max_error_rate: Annotated[
        float | None,
        typer.Option(help="Share of answers that may fail before it goes back.  [default: 0.2]"),
    ] = None,
    max_breach_rate: Annotated[
        float | None,
        typer.Option(
            help="Share of answers of which a tool call may be denied before it goes back."
            "  [default: 0.1]"
        ),
    ] = None,
    window_s: Annotated[
        float | None, typer.Option(help="Seconds that both look back.  [default: 600]")
    ] = None,
    min_answers: Annotated[
        int | None, typer.Option(help="Answers from which both are judged.  [default: 20]")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    database: DatabaseOption = "",
    as_json: JsonFlag = False,
) -> int:
    """Point an alias at a released model, at once for all servers of the store.

    It goes back by itself where too many answers fail or break the tool policy; a bound of 1 is
    never exceeded.
    """
    from assay.serve.lifecycle.moving import describe_alias, promote_model

    opened = _open(store, database)
    rule = {
        "max_error_rate": max_error_rate,
        "max_breach_rate": max_breach_rate,
        "window_s": window_s,
        "min_answers": min_answers,
    }
    row = promote_model(opened, alias, model, actor=_ACTOR, reason=reason, rule=rule)
    text = f"{alias} points at {row.model}" + (f", before at {row.previous}" * bool(row.previous))
    print_result(describe_alias(opened, row), text=text, as_json=as_json)
    return 0


def rollback(
    alias: Alias,
    reason: Reason = "",
    model: Annotated[
        str | None,
        typer.Option("--from", metavar="MODEL", help="Only if it points at this model still."),
    ] = None,
    verdict: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --from: only if this verdict of that model (verdict.json, or what `assay"
            " gate --json` prints) holds it.",
        ),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    database: DatabaseOption = "",
    as_json: JsonFlag = False,
) -> int:
    """Point an alias where it pointed before, past models that are not served any more."""
    from assay.errors import Problem, UsageError
    from assay.runs.store.aliases import LOCK, find_alias
    from assay.serve.lifecycle.moving import describe_alias, go_back, go_back_if_held

    if verdict is not None and model is None:
        do = "name the model that was judged: --from MODEL"
        raise UsageError(Problem("--verdict without --from", do=do, key="command line"))
    opened = _open(store, database)
    with opened.write() as connection:
        opened.lock(connection, LOCK)
        if verdict is not None and model is not None:
            given = _read_verdict(verdict)
            made = go_back_if_held(opened, connection, alias, given, model=model)
        else:
            made = go_back(opened, connection, alias, actor=_ACTOR, reason=reason, model=model)
    row = find_alias(opened, alias)
    assert row is not None, "an alias that goes back points somewhere"
    text = f"{alias} stays at {row.model}"
    if made is not None and made.model != made.previous:
        text = f"{alias} points at {row.model} again, before at {made.previous}"
    value = {**describe_alias(opened, row), "moved": made is not None}
    print_result(value, text=text, as_json=as_json)
    return 0


def list_(
    store: StoreOption = DEFAULT_STORE, database: DatabaseOption = "", as_json: JsonFlag = False
) -> int:
    """List aliases, where they point, and how answers went since."""
    from assay.runs.store.aliases import list_aliases
    from assay.serve.lifecycle.moving import describe_alias

    opened = _open(store, database)
    found = [describe_alias(opened, row) for row in list_aliases(opened)]
    lines = [
        "  ".join([one["id"], one["model"], *(f"{k} {n}" for k, n in one["counts"].items())])
        for one in found
    ]
    print_result(found, text="\n".join(lines) or "no aliases", as_json=as_json)
    return 0


def history(
    alias: Alias,
    store: StoreOption = DEFAULT_STORE,
    database: DatabaseOption = "",
    as_json: JsonFlag = False,
) -> int:
    """Show the last 100 moves of an alias, the newest first."""
    from assay.runs.store.aliases import list_moves
    from assay.serve.lifecycle.moving import describe_move

    page = list_moves(_open(store, database), alias, after=None, limit=100)
    found = [describe_move(row) for row in page.rows] if page is not None else []
    text = "\n".join(map(_render_move, found))
    print_result(found, text=text or f"{alias} never pointed anywhere", as_json=as_json)
    return 0


def remove(
    alias: Alias,
    store: StoreOption = DEFAULT_STORE,
    database: DatabaseOption = "",
    as_json: JsonFlag = False,
) -> int:
    """Let an alias point nowhere; its history stays."""
    from assay.errors import Problem, UsageError
    from assay.runs.store.aliases import remove_alias

    if not remove_alias(_open(store, database), alias, actor=_ACTOR):
        do = "see assay alias list"
        raise UsageError(Problem(f"no alias {alias!r}", do=do, key="command line"))
    print_result({"removed": alias}, text=f"removed {alias}", as_json=as_json)
    return 0


def _open(store: str, database: str) -> Store:
    from assay.runs.store import open_store

    return open_store(store, database)


def _read_verdict(path: Path) -> dict[str, Any]:
    import json

    from assay.errors import Problem, UsageError
    from assay.runs.values import mapping

    try:
        found = mapping(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        got = f"{str(path)!r}, which cannot be read ({error})"
        raise UsageError(Problem(got, "a verdict as JSON", key="--verdict")) from error
    return mapping(found.get("verdict")) or found


def _render_move(move: dict[str, Any]) -> str:
    from datetime import UTC, datetime

    when = datetime.fromtimestamp(move["created_at"], UTC).isoformat(timespec="seconds")
    told = [when, move["kind"], move["model"] or "nowhere", f"by {move['actor']}", move["reason"]]
    return "  ".join(filter(None, told))
