"""`assay reward check`: a recipe's reward before it is trained on; it draws and decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import JsonFlag, print_result
from assay.cli.run_verb import Overrides

if TYPE_CHECKING:
    from assay.pipeline.reward_check import RewardCheck

_WIDTH = 30
_SHOWN_CHARS = 160


def register(app: typer.Typer) -> None:
    """Add the group to `app`."""
    group = typer.Typer(help="What a recipe's grader rewards, before it is trained on.")
    group.callback()(_group)
    group.command("check")(check)
    app.add_typer(group, name="reward")


def _group() -> None:
    """The group itself does nothing: a verb does."""


def check(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or its folder.")],
    overrides: Overrides = None,
    prompts: Annotated[
        int, typer.Option(min=1, max=10_000, help="Prompts that are answered and graded.")
    ] = 16,
    show: Annotated[
        int, typer.Option(min=0, max=100, help="Completions that are shown, best and worst.")
    ] = 3,
    as_json: JsonFlag = False,
) -> int:
    """Sample completions of the base, grade them, and say what speaks against the reward.

    Exit code 0: nothing, or warnings alone; 3: errors, each with what to do; 2: the recipe or the
    data.
    """
    from assay.cli.live import open_progress
    from assay.pipeline.check import load_checked
    from assay.pipeline.reward_check import check_reward

    loaded = load_checked(recipe, overrides or [])
    with open_progress(as_json=as_json) as progress:
        found = check_reward(loaded, num_prompts=prompts, progress=progress)
    value = found.to_dict(num_examples=show)
    print_result(value, text=_render(found, value), as_json=as_json)
    return found.exit_code


def _render(found: RewardCheck, value: dict[str, Any]) -> str:
    head = (
        f"{found.base}: {found.num_prompts} prompts, {found.group_size} completions of each,"
        f" sampled in {found.seconds:.1f} s"
    )
    graders = [_render_grader(one) for one in (value["reward"], *value["parts"])]
    examples = [
        "\n".join([f"{name} completions", *(line for one in value[name] for line in _show(one))])
        for name in ("best", "worst")
        if value[name]
    ]
    return "\n\n".join([head, *graders, *examples, _render_findings(value["findings"])])


def _render_grader(one: dict[str, Any]) -> str:
    success = "" if one["success"] is None else f", success {one['success']:.1%}"
    lines = [
        f"{one['name']} ({one['type']}): mean {one['mean']:.3g}, deviation {one['std']:.3g}, within"
        f" prompts {one['mean_group_std']:.3g}{success}; graded in {one['seconds']:.2f} s",
        *_draw(one["histogram"]),
    ]
    lines += [f"  {num} × {name}" for name, num in one["errors"].items()]
    lines += [f"    {d['num']} × {_cut(d['detail'], _SHOWN_CHARS)}" for d in one["details"]]
    return "\n".join(lines)


def _draw(histogram: dict[str, Any]) -> list[str]:
    edges, counts = histogram["edges"], histogram["counts"]
    if histogram["is_of_values"]:
        names = [f"{edge:.4g}" for edge in edges]
    else:
        names = [f"{a:.3g} … {b:.3g}" for a, b in pairwise(edges)]
    width, most = max(map(len, names)), max(counts)
    return [
        f"  {name:>{width}}  {'█' * round(_WIDTH * count / most) or '▏' * bool(count)} {count}"
        for name, count in zip(names, counts, strict=True)
    ]


def _show(one: dict[str, Any]) -> list[str]:
    parts = ", ".join(f"{name} {reward:.3g}" for name, reward in one["sub_rewards"].items())
    errors = f" [{', '.join(one['errors'])}]" if one["errors"] else ""
    prompt = _cut(one["prompt"], _SHOWN_CHARS, keep_end=True)
    return [
        f"  {one['reward']:.3g}{f' ({parts})' if parts else ''}{errors}",
        f"    asked: {prompt}",
        f"    wrote: {_cut(one['completion'], _SHOWN_CHARS)}",
    ]


def _render_findings(findings: Sequence[dict[str, Any]]) -> str:
    if not findings:
        return "Nothing speaks against this reward."
    lines = [
        f"  {one['severity']}: {one['grader'] + ': ' if one['grader'] else ''}{one['found']}"
        f"\n    {one['do']}"
        for one in sorted(findings, key=lambda one: str(one["severity"]))
    ]
    count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    return "\n".join([f"{count} against this reward", *lines])


def _cut(text: str, most: int, *, keep_end: bool = False) -> str:
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    return f"…{line[1 - most :]}" if keep_end else f"{line[: most - 1]}…"
