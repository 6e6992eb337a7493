"""`assay data fingerprint`: what others need to look for leaks of a suite, without its text."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli.data_asked import read_asked
from assay.cli.data_options import ColumnOption, FilesArgument, FormatOption
from assay.cli.output import JsonFlag, print_result


def fingerprint(
    files: FilesArgument,
    out: Annotated[str, typer.Option(help="File of numbers, .npz; for --suite of data check.")],
    data_format: FormatOption = "auto",
    columns: ColumnOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Keep what tells whether rows of FILE were trained on, without a word of them.

    Whoever has the file can look for the rows in their data, and cannot read them.
    """
    from pathlib import Path

    from assay.data.curate.fingerprints import ENDING, make_fingerprint
    from assay.data.curate.parts import cut_parts
    from assay.errors import Problem, UsageError

    if not out.endswith(ENDING):
        raise UsageError(Problem(out, f"a name that ends in {ENDING}", "rename it", key="--out"))
    asked = read_asked(files, data_format=data_format, columns=columns)
    sources = {"suite": asked.parts["train"]}
    num_rows = make_fingerprint(cut_parts(sources, base_dir=asked.base_dir), Path(out))
    text = f"{num_rows:,} rows in {out}; look for them with: assay data check FILE --suite {out}"
    print_result({"rows": num_rows, "out": out}, text=text, as_json=as_json)
