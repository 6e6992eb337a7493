"""A sweep on the terminal: what it will try, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.config.sweep import Candidate
    from assay.release.swept import Sweep, Tried


def render_candidates(candidates: list[Candidate]) -> str:
    """One line a candidate, before any is trained."""
    width = max(len(one.name) for one in candidates)
    lines = [f"  {one.name:<{width}}  {one.label}" for one in candidates]
    return "\n".join([f"sweep: {len(candidates)} candidates, one base", *lines])


def render_sweep(sweep: Sweep) -> str:
    """One line a candidate with its best validation loss; the chosen one is marked."""
    name = max(len(one.name) for one in sweep.candidates)
    label = max(len(one.label) for one in sweep.candidates)
    lines = [
        f"{'*' if one.is_chosen else ' '} {one.name:<{name}}  {one.label:<{label}}  {_ending(one)}"
        for one in sweep.candidates
    ]
    head = f"sweep ({len(lines)} candidates; * chosen by {sweep.chosen_by})"
    return "\n".join([head, *lines])


def _ending(one: Tried) -> str:
    from assay.release.wording import plain

    if one.loss is None:
        return f"failed: {one.failed}"
    return (
        f"validation loss {one.loss:.4f} at step {plain(one.best_step)} of {plain(one.num_steps)}"
    )
