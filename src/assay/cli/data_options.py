"""Arguments and options that verbs of `assay data` share; `data_asked` reads them."""

from __future__ import annotations

from typing import Annotated

import typer

FilesArgument = Annotated[
    list[str],
    typer.Argument(metavar="FILE…", help="Files, folders, URLs, Hub ids, a store; or one recipe."),
]
ValidationOption = Annotated[
    list[str] | None, typer.Option(help="Rows that choose the checkpoint; repeatable.")
]
TestOption = Annotated[list[str] | None, typer.Option(help="Rows that confirm; repeatable.")]
SuiteOption = Annotated[
    list[str] | None,
    typer.Option("--suite", metavar="FILE", help="Rows that gates will ask, or their fingerprint."),
]
RuleOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rule", metavar="RULE=VALUE", help="A severity, an action or off; or RULE.OPTION=VALUE."
    ),
]
AcceptOption = Annotated[
    list[str] | None,
    typer.Option("--accept", metavar="RULE", help="Errors of this rule may stand; or all."),
]
FormatOption = Annotated[
    str, typer.Option("--format", help="The shape of a row; see data.train.format.")
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="FIELD=COLUMN",
        help="The column that a field stands in, of every file named here; repeatable.",
    ),
]
WorkOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR", help="Folder for what is found on the way: a check cut off goes on there."
    ),
]
BaseOption = Annotated[
    str | None,
    typer.Option(
        help="A base (tiny, a folder or a Hub id) whose tokens and template are asked; by default "
        "a recipe's own, where it is on this machine."
    ),
]

DeepOption = Annotated[
    bool,
    typer.Option("--deep", help="Ask the base's weights too, about a sample of the rows."),
]
ReportOption = Annotated[
    str | None,
    typer.Option(metavar="FILE.html", help="Write a page with findings, rows, lengths, clusters."),
]
