"""`assay data curve`: whether more rows of the same kind would help, before they are written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.data_options import ColumnOption, FormatOption
from assay.cli.output import JsonFlag, print_result

if TYPE_CHECKING:
    from assay.pipeline.curve import Curve

_WIDE, _HIGH = 48, 9


def curve(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Rows to learn from.")],
    base: Annotated[str, typer.Option(help="A base (tiny, a folder or a Hub id).")] = "tiny",
    data_format: FormatOption = "auto",
    columns: ColumnOption = None,
    max_rows: Annotated[
        int, typer.Option(min=50, help="Most rows, drawn by seed; shares are of these.")
    ] = 1_000,
    min_gain: Annotated[
        float, typer.Option(min=1e-6, help="Nats a token that a doubling of the rows has to gain.")
    ] = 0.02,
    seed: Annotated[int, typer.Option(help="Seed of the rows that are drawn.")] = 0,
    as_json: JsonFlag = False,
) -> int:
    """Tune the base on 10, 20, 40 and 80 % of the rows and measure the loss of the rest."""
    from pathlib import Path

    from assay.cli.eval_verb import build_source
    from assay.cli.live import open_progress
    from assay.errors import EXIT_OK
    from assay.models.base import find_base
    from assay.pipeline.base_given import load_given
    from assay.pipeline.curve import compute_curve, read_curve_rows

    sources = [build_source(path, data_format, columns or []) for path in files]
    records = read_curve_rows(sources, base_dir=Path.cwd())
    given = load_given(find_base(base))
    with open_progress(as_json=as_json) as progress:
        found = compute_curve(
            given,
            records,
            base=base,
            max_rows=max_rows,
            min_gain=min_gain,
            seed=seed,
            progress=lambda done, total: progress.count("points", done, total),
        )
    print_result(found.to_json(), text=render_curve(found), as_json=as_json)
    return EXIT_OK


def render_curve(found: Curve) -> str:
    """The table, the drawn curve, and what it says."""
    lines = [
        f"{found.base}: {found.num_rows:,} different rows, {found.num_held_out} of them held out; "
        "loss in nats a token",
        "",
        f"{'share':>6} {'rows':>8} {'loss':>8}  {'gain since the row above (95 %)':>32}",
        f"{'0 %':>6} {0:8,} {found.untuned:8.3f}  {'the base as it is':>32}",
    ]
    for one in found.points:
        gain = f"{one.gain.difference:+.3f} [{one.gain.low:+.3f}, {one.gain.high:+.3f}]"
        lines.append(f"{one.share:>5.0%}  {one.num_rows:8,} {one.loss:8.3f}  {gain:>32}")
    return "\n".join([*lines, "", *draw(found), "", *_advise(found)])


def draw(found: Curve) -> list[str]:
    """The points (●) and the law through them (·), rows on a logarithmic axis."""
    counts = [one.num_rows for one in found.points]
    first, last = math.log(counts[0]), math.log(counts[-1] * 2)
    columns = [math.exp(first + (last - first) * at / (_WIDE - 1)) for at in range(_WIDE)]
    fitted = [found.law.predict(rows) for rows in columns]
    losses = [one.loss for one in found.points]
    high, low = max(*losses, *fitted), min(*losses, *fitted)
    canvas = [[" "] * _WIDE for _ in range(_HIGH)]

    def put(rows: float, loss: float, mark: str) -> None:
        place = round((high - loss) / (high - low or 1) * (_HIGH - 1))
        column = round((math.log(rows) - first) / (last - first) * (_WIDE - 1))
        canvas[place][column] = mark

    for rows, loss in zip(columns, fitted, strict=True):
        put(rows, loss, "·")
    for count, loss in zip(counts, losses, strict=True):
        put(count, loss, "●")
    labels = [f"{high:8.3f} ┤", *["         │"] * (_HIGH - 2), f"{low:8.3f} ┤"]
    drawn = [f"{label}{''.join(line)}".rstrip() for label, line in zip(labels, canvas, strict=True)]
    ends = f"{counts[0]:,}".ljust(_WIDE - len(f"{counts[-1] * 2:,}")) + f"{counts[-1] * 2:,}"
    return [*drawn, f"         └{'─' * _WIDE}", f"          {ends} rows"]


def _advise(found: Curve) -> list[str]:
    law, last = found.law, found.points[-1]
    lines = [f"law: loss = {law.floor:.3f} + {law.scale:.3f} · rows^−{law.exponent:.2f}"]
    gain = law.predict(last.num_rows) - law.predict(2 * last.num_rows)
    lines.append(f"twice {last.num_rows:,} rows would gain about {gain:.3f} nats a token")
    low, high = (f"{end:,}" if end is not None else "far more" for end in found.enough_interval)
    if found.enough is None:
        told = (
            f"a doubling gains less than {found.min_gain:g} from far more rows on than can be told"
        )
        lines.append(f"{told} (95 %: from {low})")
    else:
        told = f"from about {found.enough:,} rows on a doubling gains less than {found.min_gain:g}"
        lines.append(f"{told} (95 %: {low} to {high})")
    return lines
