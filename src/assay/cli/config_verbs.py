"""`assay config schema`, `assay config explain` and `assay version`; they start nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli.output import JsonFlag, print_result


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    config = typer.Typer(
        help="Print the schema of recipes, or explain a key.", no_args_is_help=True
    )
    config.command()(schema)
    config.command()(explain)
    app.add_typer(config, name="config")
    app.command()(version)


def schema(as_json: JsonFlag = False) -> None:
    """Print the JSON Schema of a recipe (the same with --json)."""
    from assay.config import json_schema

    print_result(json_schema(), text="", as_json=True)


def explain(
    key: Annotated[
        str,
        typer.Argument(
            metavar="KEY",
            help="A dotted key, such as train.epochs, or a block; all keys when left out.",
        ),
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Say what a key of a recipe means, allows and defaults to."""
    from assay.config import describe_keys
    from assay.config import explain as render_keys

    print_result(describe_keys(key), text=render_keys(key), as_json=as_json)


def version(as_json: JsonFlag = False) -> None:
    """Print the version."""
    import platform

    from assay import __version__

    value = {"assay": __version__, "python": platform.python_version()}
    print_result(value, text=f"assay {__version__}", as_json=as_json)
