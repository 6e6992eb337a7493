"""A repair on the terminal: what it would try, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.cli.outcome import render_outcome
from assay.release.repaired import Repair, Tried, read_repair
from assay.release.wording import duration, percent

if TYPE_CHECKING:
    from assay.pipeline import RunOutcome


def describe_plan(plan: dict[str, Any]) -> str:
    """One line an intervention, from the cheapest to the dearest."""
    lines = [f"{plan['run']} is held by {', '.join(plan['held_by'])}; a repair would try in turn"]
    return "\n".join([*lines, *map(_describe_step, plan["interventions"])])


def _describe_step(step: dict[str, Any]) -> str:
    if "not_tried" in step:
        return f"  {step['name']:<14} not: {step['not_tried']}"
    tuned = f", {step['steps']} optimizer steps" if step["steps"] else ""
    took = f" (about {duration(step['seconds'])})" if step["steps"] and step["seconds"] else ""
    count = step["candidates"]
    asked = f"{count} candidate" if count == 1 else f"at most {count} candidates"
    return f"  {step['name']:<14} {asked}{tuned}{took}"


def describe_repair(outcome: RunOutcome) -> tuple[dict[str, Any], str]:
    """What a repair found, for programs and for people."""
    found = read_repair(outcome.run)
    assert found is not None, "a repair's run says where it comes from"
    value = {
        "run": str(outcome.run.path),
        "repaired_from": found.parent,
        "held_by": found.failed,
        "verdict": outcome.verdict,
        "chosen": found.chosen.name if found.chosen else None,
        "tried": [vars(one) for one in found.tried],
        "skipped": found.skipped,
        "left_out": found.left_out,
        "questions": found.questions,
        "gain_before": found.gain_before,
        "gain_after": found.gain_after,
        "kept": found.kept,
        "report": str(outcome.run.report),
        "signer": outcome.signer,
        "exit_code": outcome.exit_code,
    }
    return value, f"{render_outcome(outcome)}\n\n{render_repair(found)}"


def render_repair(found: Repair) -> str:
    """Every candidate in a line, the chosen one marked, and what the repair costs."""
    rows = [_cells(one) for one in found.tried]
    widths = [max(len(row[place]) for row in rows) for place in range(3)] if rows else []
    lines = [
        f"{'*' if one.is_chosen else ' '} "
        + "  ".join([*(c.ljust(w) for c, w in zip(cells, widths, strict=False)), cells[-1]])
        for one, cells in zip(found.tried, rows, strict=True)
    ]
    lines += [f"  {name}: not tried, {reason}" for name, reason in found.skipped.items()]
    tail = [text for text in (found.unlearned, found.cost) if text]
    return "\n".join([f"repair (* chosen): {found.sentence}", *lines, *tail])


def _cells(one: Tried) -> tuple[str, str, str, str]:
    what = "as it was held" if one.is_held else f"{one.intervention}, {one.setting}"
    task = f"task {percent(one.task)}"
    kept = "" if one.kept is None else f"{percent(one.kept)} of the gain"
    ending = "passes" if one.passes else f"fails {', '.join(one.failing) or 'to gain'}"
    return what, task, kept, ending
