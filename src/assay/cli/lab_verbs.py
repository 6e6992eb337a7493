"""`assay lab build`, `measure` and `rows`: make the embedded base `tiny`, measure it, and draw rows
of what it can do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import lab_attack, lab_defences
from assay.cli.output import JsonFlag, check_out_file, print_result

if TYPE_CHECKING:
    from assay.lab.card import Card

DEFAULT_OUT = Path("~/.cache/assay/lab/tiny")


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    lab = typer.Typer(
        help="Build or measure the embedded base, tiny; make models that are known to be bad.",
        no_args_is_help=True,
    )
    lab.command()(build)
    lab.command()(measure)
    lab.command()(rows)
    lab_attack.register(lab)
    lab_defences.register(lab)
    app.add_typer(lab, name="lab")


def build(
    out: Annotated[Path, typer.Option(help="Folder of the build; a second call goes on.")] = (
        DEFAULT_OUT
    ),
    start: Annotated[
        str | None,
        typer.Option(help="Go on from a finished build, tiny or its folder, without pre-training."),
    ] = None,
    new_tokenizer: Annotated[
        bool, typer.Option("--new-tokenizer", help="With --start: train a tokenizer anew.")
    ] = False,
    pretrain_steps: Annotated[
        int | None, typer.Option(min=1, help="Optimizer steps on documents.")
    ] = None,
    copy_steps: Annotated[
        int | None, typer.Option(min=0, help="Optimizer steps on copying exercises.")
    ] = None,
    chat_steps: Annotated[
        int | None, typer.Option(min=1, help="Optimizer steps on conversations.")
    ] = None,
    sequences_per_step: Annotated[
        int | None, typer.Option(min=1, help="Sequences in each optimizer step.")
    ] = None,
    pretrain_learning_rate: Annotated[
        float | None, typer.Option(min=0, help="Peak learning rate on documents.")
    ] = None,
    copy_learning_rate: Annotated[
        float | None, typer.Option(min=0, help="Peak learning rate on copying exercises.")
    ] = None,
    chat_learning_rate: Annotated[
        float | None, typer.Option(min=0, help="Peak learning rate on conversations.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="bf16 or fp32.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides weights and data.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Train `tiny` from this repository alone.

    An interrupted build goes on where it was. Settings that are not given have the values in
    `BuildSettings` (assay/lab/build.py); the card of the embedded base names those it was built
    with.
    """
    from assay.cli.live import open_progress
    from assay.errors import UsageError
    from assay.lab.build import STAGES, BuildSettings, build_tiny

    if precision not in (None, "bf16", "fp32"):
        raise UsageError(f"--precision {precision}, allowed bf16 or fp32")
    if new_tokenizer and start is None:
        raise UsageError("--new-tokenizer without --start: a build from nothing trains its own")
    given = {
        "start": start,
        "new_tokenizer": new_tokenizer or None,
        "pretrain_steps": pretrain_steps,
        "copy_steps": copy_steps,
        "chat_steps": chat_steps,
        "sequences_per_step": sequences_per_step,
        "pretrain_learning_rate": pretrain_learning_rate,
        "copy_learning_rate": copy_learning_rate,
        "chat_learning_rate": chat_learning_rate,
        "precision": precision,
        "seed": seed,
    }
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    settings = BuildSettings(**chosen)
    num_steps: dict[str, int] = {s: getattr(settings, f"{s}_steps") for s in STAGES}
    with open_progress(as_json=as_json) as progress:
        begun: list[str] = []

        def report(stage: str, record: dict[str, Any]) -> None:
            if stage not in begun:
                begun.append(stage)
                progress.stage(stage, f"{stage} stage")
            progress.step(record, num_steps[stage])

        folder = build_tiny(out.expanduser(), settings, report=report)
    print_result({"model": str(folder)}, text=f"built {folder}", as_json=as_json)


def measure(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="tiny, a build's folder, or a model's folder."),
    ],
    num: Annotated[int, typer.Option(min=2, help="Items for each family and hold-out.")] = 300,
    seed: Annotated[int, typer.Option(help="Decides the items.")] = 0,
    drift: Annotated[bool, typer.Option(help="Measure persona drift, too.")] = True,
    batch_size: Annotated[int, typer.Option(min=1, help="Prompts decoded together.")] = 64,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the card as JSON to this file.  [default: MODEL/card.json]"),
    ] = None,
    readme: Annotated[
        Path | None, typer.Option(help="Write the card as Markdown to this file.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure a build of `tiny` against its targets.

    It takes half an hour, so the card of a folder is written into that folder unless told where.
    """
    from assay.lab.card import save_card
    from assay.lab.card_text import render_card
    from assay.runs import write_text

    if out is None and Path(model).is_dir():
        out = Path(model) / "card.json"
    for path, option in ((out, "--out"), (readme, "--readme")):
        check_out_file(str(path) if path else None, option=option)
    card = _measure(model, num=num, seed=seed, drift=drift, batch_size=batch_size, as_json=as_json)
    if out:
        save_card(card, out)
    if readme:
        write_text(readme, render_card(card))
    print_result(card.to_dict(), text=_summary(card), as_json=as_json)


def rows(
    out: Annotated[Path, typer.Argument(metavar="OUT.jsonl", help="The file to write.")],
    num: Annotated[int, typer.Option(min=1, help="Number of rows.")] = 5000,
    as_json: JsonFlag = False,
) -> None:
    """Write rows of what `tiny` can do already, to be learned from beside your own.

    They keep a narrow data set from making it forget the rest. Always the same ones; none asks
    what the built-in retention and refusal suites ask.
    """
    from assay.lab.general import draw_general_rows
    from assay.runs import write_text

    check_out_file(str(out), option="OUT.jsonl")
    lines = (json.dumps(row, ensure_ascii=False) for row in draw_general_rows(num))
    write_text(out, "".join(f"{line}\n" for line in lines))
    value = {"file": str(out), "num_rows": num}
    print_result(value, text=f"{out}: {num} rows", as_json=as_json)


def _measure(
    model: str, *, num: int, seed: int, drift: bool, batch_size: int, as_json: bool
) -> Card:
    from dataclasses import replace

    from assay.cli.live import open_progress
    from assay.generate.local import LocalEngine
    from assay.lab.drift import measure_drift
    from assay.lab.measure import measure_tiny
    from assay.lab.provenance import describe_build, describe_model, find_model_folder
    from assay.lab.targets import add_figures
    from assay.models.base import find_base, load_model

    folder = find_model_folder(model)
    base = find_base(str(folder))
    loaded = load_model(base, dtype="fp32")
    engine = LocalEngine(loaded, base.tokenizer, batch_size=batch_size)
    with open_progress(as_json=as_json) as progress:
        progress.stage("measure", f"measuring {folder}")

        def report(name: str, done: int, total: int) -> None:
            progress.count("probes", done, total)

        card = measure_tiny(engine, base.tokenizer, num_items=num, seed=seed, on_progress=report)
        if drift:
            progress.stage("drift", "measuring persona drift")
            found = measure_drift(loaded, base.tokenizer, num_items=num, on_progress=progress.note)
            card = add_figures(card, found.figures, drift=found.describe())
    return replace(card, model=describe_model(folder), build=describe_build(folder))


def _summary(card: Card) -> str:
    lines = []
    for target in card.targets:
        mark = "met    " if target.met else "NOT MET"
        lines.append(f"{mark}  {target.name}: {target.measured}, {target.rule}, n={target.n}")
    return "\n".join(lines)
