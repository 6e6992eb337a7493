"""`assay completions`: what a server stored of its answers; it parses, calls and prints."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonFlag, print_result
from assay.cli.serve_verb import DEFAULT_STORE, DatabaseOption, StoreOption

if TYPE_CHECKING:
    from assay.runs.store.completions import CompletionRow

ProjectOption = Annotated[str, typer.Option(help="Project of the keys that stored them.")]
_DAY_S = 86_400.0


def register(app: typer.Typer) -> None:
    """Add the group to `app`."""
    group = typer.Typer(help="Chat completions that `assay serve` stored.")
    group.callback()(_group)
    group.command("list")(list_)
    group.command("delete")(delete)
    app.add_typer(group, name="completions")


def _group() -> None:
    """The group itself does nothing: a verb does."""


def list_(
    project: ProjectOption = "proj_default",
    store: StoreOption = DEFAULT_STORE,
    database: DatabaseOption = "",
    as_json: JsonFlag = False,
) -> int:
    """List what is stored, the oldest first, without what was said."""
    from assay.runs.store import open_store
    from assay.runs.store.completions import iterate_completions

    found = iterate_completions(open_store(store, database), project)
    rows = [_describe(row) | {"num_feedback": len(said)} for row, said in found]
    text = "\n".join("  ".join(str(value) for value in row.values()) for row in rows)
    print_result(rows, text=text or "no stored completions", as_json=as_json)
    return 0


def delete(
    completion_id: Annotated[str | None, typer.Option("--id", help="This one.")] = None,
    key: Annotated[str | None, typer.Option(help="All that a key's id stored.")] = None,
    person: Annotated[
        str | None,
        typer.Option(help="All of a person: `user` or `safety_identifier` of requests."),
    ] = None,
    older_than: Annotated[
        float | None, typer.Option(min=0, metavar="DAYS", help="All older than that.")
    ] = None,
    project: Annotated[
        str | None, typer.Option(help="Of this project alone.  [default: of all]")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    database: DatabaseOption = "",
    as_json: JsonFlag = False,
) -> int:
    """Delete what fits all options, with its ratings and corrections, for good; responses, too."""
    from assay.errors import Problem, UsageError
    from assay.runs.store import open_store
    from assay.runs.store.completions import KEPT
    from assay.runs.store.kept import delete_kept
    from assay.runs.store.responses import KEPT as KEPT_RESPONSES

    if all(one is None for one in (completion_id, key, person, older_than)):
        allowed = "--id, --key, --person or --older-than"
        raise UsageError(Problem("nothing to delete", allowed, key="command line"))
    opened, age_s = open_store(store, database), None
    if older_than is not None:
        age_s = older_than * _DAY_S
    whose: Any = {"project": project, "key_id": key, "person": person, "older_than_s": age_s}
    num = sum(
        delete_kept(opened, kept, identity=completion_id, **whose)
        for kept in (KEPT, KEPT_RESPONSES)
    )
    print_result({"num_deleted": num}, text=f"{num:,} deleted", as_json=as_json)
    return 0


def _describe(row: CompletionRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "model": row.model,
        "key": row.key_id,
        "created_at": _say(row.created_at),
        "expires_at": _say(row.expires_at),
    }


def _say(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
