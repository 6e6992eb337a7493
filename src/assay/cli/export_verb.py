"""`assay export`: a tuned run as a plain Transformers folder, checked as it is written."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli.output import JsonFlag, print_result


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("export")(export)


def export(
    run: Annotated[str, typer.Argument(help="A run: its folder, id, start of id, or name.")],
    to: Annotated[str, typer.Option("--to", help="The form; `merged` is a Transformers folder.")],
    out: Annotated[
        str | None, typer.Option("--out", help="Folder; default RUN-merged, beside the run.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="fp32 or bf16 weights.")] = "fp32",
    root: Annotated[str, typer.Option("--root", help="Where runs lie.")] = "runs",
    as_json: JsonFlag = False,
) -> int:
    """Merge a run's adapter into its base and prove that the logits are the adapter's."""
    from assay.pipeline.export import FORMS, export_run

    exported = export_run(run, form=to, out=out, dtype=dtype, root=root)
    text = (
        f"wrote {exported.folder}\nlargest logit difference to the adapter"
        f" {exported.difference:.2g} (allowed {exported.tolerance:g}), chat template byte-equal"
    )
    if exported.requantised is not None:
        text += f"\nheld in few bits again, as its base was tuned: {exported.requantised:.2g}"
    value = {
        "folder": str(exported.folder),
        "form": to,
        "difference": exported.difference,
        "tolerance": exported.tolerance,
        "requantised_difference": exported.requantised,
        "forms": list(FORMS),
    }
    print_result(value, text=text, as_json=as_json)
    return 0
