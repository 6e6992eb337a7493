"""`assay export`: a tuned run as a plain Transformers folder, checked and judged as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonFlag, print_result

if TYPE_CHECKING:
    from assay.pipeline.export import Exported


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("export")(export)


def export(
    run: Annotated[str, typer.Argument(help="A run: its folder, id, start of id, or name.")],
    to: Annotated[str, typer.Option("--to", help="The form; `merged` is a Transformers folder.")],
    out: Annotated[
        str | None, typer.Option("--out", help="Folder; default RUN-merged, beside the run.")
    ] = None,
    dtype: Annotated[
        str, typer.Option(help="fp32, bf16; with bitsandbytes int8, nf4, fp4.")
    ] = "fp32",
    gates: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY|off",
            help="What the exported weights are judged by, from answers of their own."
            "  [default: the run's own policy]",
        ),
    ] = None,
    root: Annotated[str, typer.Option("--root", help="Where runs lie.")] = "runs",
    as_json: JsonFlag = False,
) -> int:
    """Write a run as plain weights, prove that the logits are its own, and judge it again."""
    from assay.cli.live import open_progress
    from assay.errors import EXIT_HELD, EXIT_OK
    from assay.pipeline.export import FORMS, export_run

    with open_progress(as_json=as_json) as progress:
        exported = export_run(
            run, form=to, out=out, dtype=dtype, root=root, gates=gates, progress=progress
        )
    value = {
        "folder": str(exported.folder),
        "form": to,
        "difference": exported.difference,
        "tolerance": exported.tolerance,
        "requantised_difference": exported.requantised,
        "forms": list(FORMS),
        "status": exported.status,
        "why": exported.why,
        "verdict": exported.judged.to_dict() if exported.judged else None,
    }
    print_result(value, text="\n\n".join(_tell(exported)), as_json=as_json)
    return EXIT_HELD if exported.status == "held" else EXIT_OK


def _tell(exported: Exported) -> list[str]:
    from assay.cli.outcome import render_measured

    written = (
        f"wrote {exported.folder}\nlargest logit difference to the run's own model"
        f" {exported.difference:.2g} (allowed {exported.tolerance:g}), chat template byte-equal"
    )
    if exported.requantised is not None:
        written += f"\nheld in few bits again, as its base was tuned: {exported.requantised:.2g}"
    blocks: list[str] = [written]
    judged = exported.judged
    if judged is not None:
        values: dict[str, Any] = judged.to_dict()
        blocks += render_measured(judged.evaluation, values)
        blocks.append(
            f"{judged.num_changed} of {judged.num_answers} answers differ from the run's own"
        )
    return [*blocks, f"{exported.status.upper()}: {exported.why}"]
