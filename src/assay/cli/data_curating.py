"""`assay data curate`: from what is wrong to a version that is mended."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli.data_asked import read_asked, read_given
from assay.cli.data_options import (
    AcceptOption,
    BaseOption,
    ColumnOption,
    FilesArgument,
    FormatOption,
    RuleOption,
    SuiteOption,
    TestOption,
    ValidationOption,
)
from assay.cli.output import JsonFlag, print_result

KeyOption = Annotated[
    str | None,
    typer.Option(help="Key file of masks; made where there is none. Keep it apart from the data."),
]


def register_curating(data: typer.Typer) -> None:
    """Add the verb to the group."""
    data.command("curate")(curate)


def curate(
    files: FilesArgument,
    out: Annotated[
        str | None, typer.Option(help="Folder of the versions; by default beside the first file.")
    ] = None,
    plan: Annotated[
        str | None, typer.Option(help="Carry out this plan, as --dry-run wrote it and you edited.")
    ] = None,
    dry_run: Annotated[
        str | None, typer.Option(help="Write the plan to this file, and change nothing.")
    ] = None,
    key: KeyOption = None,
    validation: ValidationOption = None,
    test: TestOption = None,
    suite: SuiteOption = None,
    data_format: FormatOption = "auto",
    columns: ColumnOption = None,
    rule: RuleOption = None,
    accept: AcceptOption = None,
    base: BaseOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Mend data into a new version: drop, mask, repair, relabel as the plan has it.

    Exit code 0: the new version has no errors; 2: it still has.
    """
    from dataclasses import asdict
    from pathlib import Path

    from assay.cli.data_text import render_checked
    from assay.cli.live import open_progress
    from assay.cli.output import check_out_file
    from assay.data.curate import check_parts
    from assay.data.curate.curate import curate_parts, plan_files
    from assay.data.curate.mask_key import load_mask_key, make_mask_key
    from assay.data.curate.plan import read_plan, write_plan
    from assay.data.versions import VersionStore
    from assay.errors import EXIT_OK, EXIT_USAGE
    from assay.pipeline.data_page import write_version_page

    check_out_file(dry_run, option="--dry-run")
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
    given = read_given(base or asked.base)
    with open_progress(as_json=as_json) as progress:

        def count(done: int, total: int) -> None:
            progress.count("rows checked", done, total)

        if dry_run is not None:
            checked = check_parts(
                asked.parts,
                base_dir=asked.base_dir,
                settings=asked.settings,
                given=given,
                progress=count,
            )
            made = plan_files(asked.parts, checked, base_dir=asked.base_dir)
            write_plan(Path(dry_run), made)
            text = f"{len(made.actions):,} actions in {dry_run}; carry it out with --plan {dry_run}"
            print_result({"plan": dry_run, "counts": made.counts}, text=text, as_json=as_json)
            return EXIT_OK
        store = Path(out) if out else asked.default_store
        bytes_of_key = None
        if key is not None:
            path = Path(key)
            bytes_of_key = (
                load_mask_key(path) if path.exists() else make_mask_key(path, apart_from=store)
            )
        done = curate_parts(
            asked.parts,
            out=store,
            base_dir=asked.base_dir,
            settings=asked.settings,
            plan=read_plan(Path(plan)) if plan else None,
            key=bytes_of_key,
            given=given,
            progress=count,
            note=progress.note,
        )
        page = write_version_page(
            VersionStore(store),
            done,
            asked.parts,
            base_dir=asked.base_dir,
            tokenizer=given.tokenizer if given else None,
        )
    value = {
        "store": str(store),
        "version": asdict(done.version),
        "actions": done.plan.counts,
        "report": str(page),
        **({} if not as_json else {"check": done.checked.to_json()}),
    }
    text = f"{store}: version {done.version.id}, {done.version.num_rows:,} rows; {page}\n"
    print_result(value, text=text + render_checked(done.checked, verb="curate"), as_json=as_json)
    return EXIT_USAGE if done.checked.verdict == "refused" else EXIT_OK
