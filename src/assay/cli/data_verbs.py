"""`assay data …`: look at data, mend it, keep its versions; the verbs parse, call and print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonFlag, print_result

if TYPE_CHECKING:
    pass

FilesArgument = Annotated[
    list[str],
    typer.Argument(metavar="FILE…", help="Files, folders, URLs or Hub ids; or one recipe."),
]
RuleOption = Annotated[
    list[str] | None,
    typer.Option("--rule", metavar="RULE=VALUE", help="A severity, an action, off; or RULE.OPTION"),
]
AcceptOption = Annotated[
    list[str] | None,
    typer.Option("--accept", metavar="RULE", help="Errors of this rule may stand; or all."),
]
SuiteOption = Annotated[
    list[str] | None,
    typer.Option("--suite", metavar="FILE", help="Rows that gates will ask; leaks are looked for."),
]
_WORST = 20


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    data = typer.Typer(help="Check data, mend them, and keep their versions.", no_args_is_help=True)
    data.command("check")(check)
    data.command("rules")(rules)
    app.add_typer(data, name="data")


def check(
    files: FilesArgument,
    validation: Annotated[
        list[str] | None, typer.Option(help="Rows that choose the checkpoint; repeatable.")
    ] = None,
    test: Annotated[list[str] | None, typer.Option(help="Rows that confirm; repeatable.")] = None,
    suite: SuiteOption = None,
    rule: RuleOption = None,
    accept: AcceptOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Say what is wrong with data, row by row.

    Exit code 0: nothing that stops a run; 2: errors, which `assay run` would refuse.
    """
    from pathlib import Path

    from assay.cli.live import open_progress
    from assay.config import SourceConfig
    from assay.data.curate import check_parts, settle
    from assay.errors import EXIT_OK, EXIT_USAGE

    settings = settle(_read_rules(rule or []), accept or [])
    given = {"train": files, "validation": validation, "test": test}
    given |= {f"suite:{Path(path).stem}": [path] for path in suite or []}
    parts = {
        name: [SourceConfig(path=path) for path in paths] for name, paths in given.items() if paths
    }
    with open_progress(as_json=as_json) as progress:
        checked = check_parts(
            parts,
            base_dir=Path.cwd(),
            settings=settings,
            progress=lambda rows, total: progress.count("rows checked", rows, total),
        )
    from assay.cli.data_text import render_checked

    print_result(
        checked.to_json() if as_json else {}, text=render_checked(checked), as_json=as_json
    )
    return EXIT_USAGE if checked.verdict == "refused" else EXIT_OK


def rules(as_json: JsonFlag = False) -> None:
    """List every rule: what it finds, how severe it is, and what a plan proposes."""
    from dataclasses import asdict

    from assay.data.curate import list_rules

    known = list_rules().values()
    lines = [
        f"{one.name}  ({one.family}, {one.severity}, {one.action})\n    {one.meaning}"
        for one in known
    ]
    print_result([asdict(one) for one in known], text="\n".join(lines), as_json=as_json)


def _read_rules(given: list[str]) -> dict[str, Any]:
    """`RULE=VALUE` and `RULE.OPTION=VALUE` as the mapping that a recipe holds."""
    from assay.config.tree import parse_yaml, to_plain
    from assay.errors import Problem, UsageError

    read: dict[str, Any] = {}
    for text in given:
        name, mark, value = text.partition("=")
        if not mark:
            allowed = "RULE=VALUE or RULE.OPTION=VALUE"
            raise UsageError(Problem(text, allowed, "write near_duplicate=off", key="--rule"))
        rule, dot, option = name.partition(".")
        node, problems = parse_yaml(f"value: {value}", file="--rule")
        if problems:
            raise UsageError(problems)
        parsed = to_plain(node)["value"]
        if dot:
            read.setdefault(rule, {})
            read[rule] = {**_as_members(read[rule]), option: parsed}
        else:
            read[rule] = parsed
    return read


def _as_members(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"severity": value}
