"""`assay gate calibrate`: a policy's bounds from benign runs; it parses, calls and prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.output import JsonFlag, print_result

if TYPE_CHECKING:
    from assay.pipeline.calibrating import Calibrated


def calibrate(
    benign: Annotated[
        list[Path],
        typer.Argument(
            metavar="BENIGN…",
            help="Runs or judged adapters that are known to be good, or folders of such.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The policy file to write (.yaml).")],
    bad: Annotated[
        list[Path] | None,
        typer.Option(help="The same, of models known to be bad: each must be held; repeatable."),
    ] = None,
    policy: Annotated[
        str, typer.Option(help="minimal, standard, strict, agent, or a policy file.")
    ] = "standard",
    as_json: JsonFlag = False,
) -> None:
    """Set a policy's bounds from stored evaluations of benign runs, and write it as a file.

    No model is asked. Nothing is written where a run that is known to be bad would pass (exit 3).
    """
    from assay.evaluate.gates import load_policy
    from assay.pipeline.calibrating import calibrate_gates

    found = calibrate_gates(benign, bad or [], load_policy(policy), out=out)
    print_result(found.to_dict(), text=_render(found, out), as_json=as_json)


_MAX_NAMES = 5


def _join(names: Sequence[str]) -> str:
    """The first names; all are in the JSON."""
    more = [f"and {len(names) - _MAX_NAMES} more"] if len(names) > _MAX_NAMES else []
    return ", ".join([*names[:_MAX_NAMES], *more])


def _render(found: Calibrated, out: Path) -> str:
    from assay.pipeline.calibrating import describe_promise

    own, held = found.calibration, found.false_holds
    bounds = [
        f"  {name:<16}{origin.bound:<10.3g}{origin.how}" for name, origin in own.gates.items()
    ]
    gates = [f"  {name}: {_join(names)}" for name, names in held.by_gate.items()]
    caught = [f"  {name}: {', '.join(gates)}" for name, gates in found.caught.items()]
    blocks = [
        "\n".join([f"bounds, from {own.num_runs} benign runs of {own.base}", *bounds]),
        "\n".join(
            [
                f"benign runs held by bounds of all the others: {held.num_held} of {held.num_runs}"
                f" (with 95 % confidence less than {100 * held.upper:.2g} % of such runs);"
                f" {held.num_failed} of them failed a gate, the others lack a measurement",
                *gates,
                describe_promise(found.policy, held.num_runs),
            ]
        ),
        "\n".join(["known-bad runs, and what holds each", *caught]) if caught else "",
        f"written to {out}",
    ]
    return "\n\n".join(block for block in blocks if block)
