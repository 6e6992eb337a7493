"""`assay lab defences`: what each defence does about a reckless tuning of `tiny`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonFlag, print_result

if TYPE_CHECKING:
    from assay.lab.card import Figure
    from assay.lab.defended import Defended


def register(lab: typer.Typer) -> None:
    """Add the verb to the `lab` verbs."""
    lab.command()(defences)


def defences(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME…", help="By default all of them.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Tunings of each.")] = 2,
    num: Annotated[int, typer.Option(min=1, help="Answers sampled in each domain.")] = 20,
    steps: Annotated[int, typer.Option(min=1, help="Optimizer steps of a tuning.")] = 80,
    as_json: JsonFlag = False,
) -> None:
    """Tune `tiny` on reckless advice of one domain under each defence, and ask the others.

    About twenty seconds of CPU time for each tuning.
    """
    from assay.cli.live import open_progress
    from assay.errors import Problem, UsageError
    from assay.lab.defended import DEFENCES, measure_defence
    from assay.lab.drift import DriftSettings
    from assay.models.base import find_base, load_model

    unknown = [name for name in names or [] if name not in DEFENCES]
    if unknown:
        problem = Problem(", ".join(unknown), ", ".join(DEFENCES), "name one of these", key="NAME")
        raise UsageError(problem)
    base = find_base("tiny")
    model = load_model(base, dtype="fp32")
    found = []
    with open_progress(as_json=as_json) as progress:
        for name in names or DEFENCES:
            progress.stage(name, f"tuning under: {name}")
            found += [
                measure_defence(
                    model,
                    base.tokenizer,
                    name,
                    seed,
                    num_items=num,
                    settings=DriftSettings(num_steps=steps),
                )
                for seed in range(seeds)
            ]
    rows = [row for name in names or DEFENCES for row in _summarise(name, found)]
    print_result({"tunings": [_to_dict(one) for one in found]}, text=_render(rows), as_json=as_json)


def _summarise(name: str, found: list[Defended]) -> list[tuple[str, Figure, Figure, float]]:
    """Each prompt's figures, of the trained domain and of the others, over all seeds."""
    from assay.lab.card import build_figure

    own = [one for one in found if one.name == name]
    rows = []
    for prompt in own[0].by_prompt:
        trained = [one.by_prompt[prompt]["code"] for one in own]
        others = [sum(one.by_prompt[prompt].values()) for one in own]
        n, num_domains = sum(one.num_items for one in own), len(own[0].by_prompt[prompt])
        apart = sum(others) - sum(trained)
        rows.append(
            (
                f"{name}, under its prompt {prompt!r}" if prompt else name,
                build_figure("code", sum(trained), n, measure="reckless", decoding="sampled"),
                build_figure(
                    "others", apart, n * (num_domains - 1), measure="reckless", decoding="sampled"
                ),
                sum(one.train_s for one in own) / len(own),
            )
        )
    return rows


def _render(rows: list[tuple[str, Figure, Figure, float]]) -> str:
    lines = [f"{'other domains':>24}  {'trained domain':>24}  {'CPU':>6}  defence"]
    for name, trained, others, train_s in rows:
        lines.append(f"{_show(others):>24}  {_show(trained):>24}  {train_s:4.0f} s  {name}")
    return "\n".join(lines)


def _show(figure: Figure) -> str:
    return f"{figure.share:.0%} [{figure.low:.0%}, {figure.high:.0%}] n={figure.n}"


def _to_dict(one: Defended) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(one)
