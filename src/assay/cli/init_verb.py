"""`assay init`: writes a recipe, its schema and example rows to start from."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from assay.cli.output import JsonFlag, print_result

NUM_GENERAL_ROWS = 3000


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command()(init)


def init(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Where to write.")] = ".",
    template: Annotated[
        str, typer.Option("--template", "-t", help="What to start from: support or orders.")
    ] = "support",
    as_json: JsonFlag = False,
) -> None:
    """Write a recipe and example data that run as they are.

    Every key of the recipe is commented. Where one of the files exists, nothing is written.
    """
    from assay.config.starter import TEMPLATES, write_starter
    from assay.lab.general import draw_general_rows

    starter = write_starter(folder, draw_general_rows(NUM_GENERAL_ROWS), template=template)
    value = {"folder": str(starter.folder), "files": starter.files, "num_rows": starter.num_rows}
    lines = [
        f"{starter.folder}: {', '.join(starter.files)} ({starter.num_rows} rows: "
        f"{TEMPLATES[template].MEANING}; beside them {NUM_GENERAL_ROWS:,} of what tiny can do)",
        f"now try: assay run {shlex.quote(str(starter.folder))}",
    ]
    print_result(value, text="\n".join(lines), as_json=as_json)
