"""`assay data defend-tools`: defensive rows out of a user's own tool rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.data_options import ColumnOption, FormatOption
from assay.cli.output import JsonFlag, print_result


def register_defending(data: typer.Typer) -> None:
    """Add the verb to the group."""
    data.command("defend-tools")(defend_tools)


def defend_tools(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Chat rows that call your tools.")
    ],
    out: Annotated[Path, typer.Option(metavar="OUT.jsonl", help="The file to write.")],
    num: Annotated[
        int, typer.Option(min=1, help="Attempts, each with a benign twin: twice as many rows.")
    ] = 150,
    data_format: FormatOption = "auto",
    columns: ColumnOption = None,
    seed: Annotated[int, typer.Option(help="Seed of rows, words and destinations.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Write rows that teach what to refuse: misuse, orders in results, lures to covert calls.

    Each attempt is followed by a twin that must still be done. Learn from them beside your own
    rows: `data.train: [FILE, {path: OUT.jsonl, role: extra}]`.
    """
    import json
    from collections import Counter

    from assay.cli.eval_verb import build_source
    from assay.cli.output import check_out_file
    from assay.data.read import read_sources
    from assay.defend.tool_rows import build_defensive_rows
    from assay.errors import DataError
    from assay.runs import write_text

    check_out_file(str(out), option="--out")
    sources = [build_source(path, data_format, columns or []) for path in files]
    read = read_sources(sources, base_dir=Path.cwd())
    if problems := [*read.refusals, *read.problems]:
        raise DataError(problems)
    rows = build_defensive_rows(read.records, num_pairs=num, seed=seed)
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    write_text(out, "".join(f"{line}\n" for line in lines))
    counts = Counter(str(row["defence"]) for row in rows)
    few = "" if len(rows) == 2 * num else f"; your rows allow no more than {len(rows) // 2} pairs"
    text = f"{out}: {len(rows)} rows{few}"
    detail = "\n".join(f"  {kind:<16} {count}" for kind, count in sorted(counts.items()))
    value = {"file": str(out), "num_rows": len(rows), "by_kind": dict(sorted(counts.items()))}
    print_result(value, text=f"{text}\n{detail}", as_json=as_json)
