"""`assay data …`: look at data, mend it, keep its versions; the verbs parse, call and print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from assay.cli.data_asked import read_asked, read_given
from assay.cli.data_curating import register_curating
from assay.cli.data_curve import curve
from assay.cli.data_defend import register_defending
from assay.cli.data_distil import register_distilling
from assay.cli.data_feedback import register_feedback
from assay.cli.data_fingerprint import fingerprint
from assay.cli.data_formats import formats
from assay.cli.data_options import (
    AcceptOption,
    BaseOption,
    ColumnOption,
    DeepOption,
    FilesArgument,
    FormatOption,
    ReportOption,
    RuleOption,
    SuiteOption,
    TestOption,
    ValidationOption,
    WorkOption,
)
from assay.cli.data_private import register_private
from assay.cli.data_versions import register_versions
from assay.cli.output import JsonFlag, print_result

if TYPE_CHECKING:
    from assay.cli.data_asked import Asked
    from assay.data.curate import Checked, Given


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    data = typer.Typer(help="Check data, mend them, and keep their versions.", no_args_is_help=True)
    data.command("check")(check)
    data.command("rules")(rules)
    data.command("formats")(formats)
    data.command("curve")(curve)
    data.command("fingerprint")(fingerprint)
    register_curating(data)
    register_defending(data)
    register_distilling(data)
    register_versions(data)
    register_private(data)
    register_feedback(data)
    app.add_typer(data, name="data")


def check(
    files: FilesArgument,
    validation: ValidationOption = None,
    test: TestOption = None,
    suite: SuiteOption = None,
    data_format: FormatOption = "auto",
    columns: ColumnOption = None,
    rule: RuleOption = None,
    accept: AcceptOption = None,
    work: WorkOption = None,
    base: BaseOption = None,
    deep: DeepOption = False,
    report: ReportOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Say what is wrong with data, row by row.

    Exit code 0: nothing that stops a run; 2: errors, which `assay run` would refuse.
    """
    from pathlib import Path

    from assay.cli.data_text import render_checked
    from assay.cli.live import open_progress
    from assay.cli.output import check_out_file
    from assay.data.curate import check_parts
    from assay.errors import EXIT_OK, EXIT_USAGE

    check_out_file(report, option="--report")
    asked = read_asked(
        files,
        validation=validation,
        test=test,
        suite=suite,
        rule=rule,
        accept=accept,
        data_format=data_format,
        columns=columns,
    )
    given = read_given(base or asked.base, deep=deep)
    with open_progress(as_json=as_json) as progress:
        checked = check_parts(
            asked.parts,
            base_dir=asked.base_dir,
            settings=asked.settings,
            work=Path(work) if work else None,
            system=asked.system,
            group_by=asked.group_by,
            given=given,
            progress=lambda done, total: progress.count("rows checked", done, total),
        )
        if report is not None:
            write_report(report, checked, asked, given)
    value = checked.to_json() if as_json else {}
    text = "" if as_json else render_checked(checked, asked=asked, report=report)
    print_result(value, text=text, as_json=as_json)
    return EXIT_USAGE if checked.verdict == "refused" else EXIT_OK


def write_report(path: str, checked: Checked, asked: Asked, given: Given | None) -> None:
    """Write the page of a check; the rows are read once more."""
    from pathlib import Path

    from assay.pipeline.data_page import write_check_page

    write_check_page(
        Path(path),
        checked,
        asked.read_rows(),
        title=", ".join(source.path for source in asked.parts["train"]),
        tokenizer=given.tokenizer if given else None,
    )


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
