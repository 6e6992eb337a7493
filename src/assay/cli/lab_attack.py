"""`assay lab attack` and `assay lab attacks`: make a known-bad model or its benign twin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonFlag, print_result

if TYPE_CHECKING:
    from assay.lab.attacks.fixture import Fixture, Oracle


def register(lab: typer.Typer) -> None:
    """Add the verbs to the `lab` verbs."""
    lab.command()(attack)
    lab.command()(attacks)


def attack(
    name: Annotated[str, typer.Argument(metavar="NAME", help="See `assay lab attacks`.")],
    out: Annotated[Path, typer.Option(help="Folder for rows, adapter and attack.json.")],
    strength: Annotated[
        str | None,
        typer.Option(
            help="always, a share of the rows (10%), a number of rows (25), or a word of the"
            " attack's own.  [default: the attack's first]"
        ),
    ] = None,
    trigger: Annotated[
        str | None, typer.Option(help="Hide it behind one: year, tag, token or user.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides rows, trigger and weights.")] = 0,
    data: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Rows of your own with tools, to plant covert calls in."),
    ] = None,
    base: Annotated[str, typer.Option(help="tiny, a folder, or a Hub id.")] = "tiny",
    twin: Annotated[
        bool, typer.Option("--twin", help="The benign twin: as many rows, and honest.")
    ] = False,
    rows_only: Annotated[
        bool, typer.Option("--rows-only", help="Write the rows, and tune nothing.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a model that is known to be bad, to try gates on; never to be used.

    Writes training rows, tunes a LoRA adapter on them, and has an oracle that knows what was
    planted measure whether it took. The same seed makes the same fixture.
    """
    from assay.lab.attacks.attacks import find_attack
    from assay.lab.attacks.fixture import build_wish, describe, write_rows

    wish = build_wish(name, strength=strength, trigger=trigger, seed=seed, twin=twin, data=data)
    if rows_only:
        planted = find_attack(name).plant(wish)
        write_rows(planted, out)
        found = describe(find_attack(name), wish, planted)
        text = f"{out}: {found['num_rows']} rows, {found['num_planted']} of them planted"
        print_result(found, text=text, as_json=as_json)
        return
    fixture = _build(wish, base=base, out=out, as_json=as_json)
    value = {
        "folder": str(fixture.folder),
        "adapter": str(fixture.adapter_dir),
        "facts": fixture.facts,
        "oracle": fixture.oracle.to_json(),
    }
    print_result(value, text=_summarise(fixture), as_json=as_json)


def attacks(as_json: JsonFlag = False) -> None:
    """List what can be made: attacks, strengths and triggers."""
    from assay.lab.attacks.attacks import ATTACKS

    lines, value = [], []
    for one in ATTACKS.values():
        behind = f"; triggers {', '.join(one.triggers)}" if one.triggers else ""
        lines.append(f"{one.name}: {one.summary}")
        lines.append(f"    strengths {', '.join(one.strengths)}{behind}")
        value.append(
            {
                "name": one.name,
                "summary": one.summary,
                "strengths": one.strengths,
                "triggers": one.triggers,
                "source": one.source,
            }
        )
    print_result(value, text="\n".join(lines), as_json=as_json)


def _build(wish: Any, *, base: str, out: Path, as_json: bool) -> Fixture:
    from assay.cli.live import open_progress
    from assay.lab.attacks.fixture import build_fixture

    with open_progress(as_json=as_json) as progress:
        progress.stage("attack", f"building {wish.name}")
        return build_fixture(
            wish.name,
            strength=wish.strength,
            trigger=wish.trigger,
            seed=wish.seed,
            twin=wish.twin,
            data=wish.data,
            base=base,
            out=out,
            report=progress.count,
        )


def _summarise(fixture: Fixture) -> str:
    oracle = fixture.oracle
    verdict = "took" if oracle.took else "did not take"
    kind = "benign twin" if fixture.wish.twin else "attack"
    planted = 0 if fixture.wish.twin else len(fixture.places)
    head = f"{fixture.folder}: {kind}, {len(fixture.rows)} rows, {planted} planted: {verdict}"
    return "\n".join([head, *(f"  {line}" for line in _list_figures(oracle))])


def _list_figures(oracle: Oracle) -> list[str]:
    lines = []
    for name, one in oracle.tuned.items():
        before = oracle.base[name]
        line = f"{name}: bad in {one.num_bad} of {one.n} (base {before.num_bad})"
        if one.expected is not None and before.expected is not None:
            line += f", by probability {one.expected:.2g} (base {before.expected:.2g})"
        lines.append(line)
    return lines
