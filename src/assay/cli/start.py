"""What `assay run` and `assay sweep` share: a recipe or an interrupted run to its printed end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.cli.output import print_result
from assay.pipeline.check import load_checked, refuse_sweep, require_sweep

if TYPE_CHECKING:
    from assay.config import Loaded
    from assay.errors import UsageError
    from assay.pipeline import RunOutcome
    from assay.runs import RunFolder


@dataclass(frozen=True)
class Way:
    """One of the two verbs: its check of the recipe, and its function of `assay.pipeline`."""

    check: Callable[[Loaded], None]
    function: str


RUN = Way(refuse_sweep, "run_recipe")
SWEEP = Way(require_sweep, "run_sweep")


def start(
    way: Way,
    recipe: str,
    overrides: list[str],
    *,
    dry_run: bool,
    resume: bool,
    root: str | None,
    as_json: bool,
) -> int:
    """Do what the verb was asked for; returns the exit code."""
    work = choose_work(
        recipe,
        overrides,
        check=way.check,
        dry_run=dry_run,
        resume=resume,
        root=root,
        as_json=as_json,
    )
    if work is None:
        return 0
    if work.loaded is None:
        return _finish(_resume(work.wanted, work.overrides, root, as_json=as_json), as_json=as_json)
    from assay import pipeline
    from assay.cli.live import open_progress

    with open_progress(as_json=as_json) as progress:
        outcome = getattr(pipeline, way.function)(work.loaded, progress=progress)
    return _finish(outcome, as_json=as_json)


@dataclass(frozen=True)
class Work:
    """What a recipe verb is to do: begin `loaded`, or go on with the run that `wanted` leads to."""

    loaded: Loaded | None
    wanted: str
    overrides: list[str]


def choose_work(
    recipe: str,
    overrides: list[str],
    *,
    check: Callable[[Loaded], None],
    dry_run: bool,
    resume: bool,
    root: str | None,
    as_json: bool,
) -> Work | None:
    """Read the arguments of a recipe verb; None where the plan was all that was asked for.

    Raises:
        UsageError: options that do not go together, or problems of the recipe.
    """
    from assay.errors import UsageError

    if resume:
        wanted, changes = _split_changes(recipe, overrides, dry_run=dry_run)
        return Work(None, wanted, changes)
    if not recipe:
        raise UsageError("no recipe given; name a recipe file or folder, or make one: assay init")
    if root is not None:
        raise _usage("--root without --resume", "--root with --resume", f"write output={root}")
    loaded = load_checked(recipe, overrides)
    check(loaded)
    if dry_run:
        _print_plan(loaded, as_json=as_json)
        return None
    return Work(loaded, recipe, overrides)


def _print_plan(loaded: Loaded, *, as_json: bool) -> None:
    """Every setting with its reason, and every candidate of a sweep."""
    from assay.cli.swept import render_candidates
    from assay.config import render_dry_run
    from assay.config.sweep import expand_sweep

    candidates = expand_sweep(loaded.recipe) if loaded.recipe.sweep else []
    value: dict[str, Any] = {
        "recipe": loaded.recipe.model_dump(mode="json"),
        "reasons": loaded.reasons,
    }
    text = render_dry_run(loaded)
    if candidates:
        value["candidates"] = [{"name": c.name, "setting": c.setting} for c in candidates]
        text += f"\n\n{render_candidates(candidates)}"
    print_result(value, text=text, as_json=as_json)


def _split_changes(recipe: str, overrides: list[str], *, dry_run: bool) -> tuple[str, list[str]]:
    """The run to go on with, and in how many processes; refuses what would change its result."""
    import os

    if dry_run:
        raise _usage("--dry-run with --resume", "one of them", "leave one out")
    if "=" in recipe and not os.path.exists(recipe):
        recipe, overrides = "", [recipe, *overrides]
    changes = [one for one in overrides if not one.startswith("launch.processes=")]
    if changes:
        raise _usage(
            f"{' '.join(changes)} with --resume",
            "the settings that the run began with, but for launch.processes",
            "leave it out, or start a new run without --resume",
        )
    return recipe, overrides


def _usage(got: str, allowed: str, do: str) -> UsageError:
    from assay.errors import Problem, UsageError

    return UsageError(Problem(got, allowed, do, key="command line"))


def _resume(wanted: str, overrides: list[str], root: str | None, *, as_json: bool) -> RunOutcome:
    from assay.cli.live import open_progress
    from assay.pipeline import resume_run

    run = find_interrupted(wanted, root)
    with open_progress(as_json=as_json) as progress:
        return resume_run(run, overrides, progress=progress)


def find_interrupted(wanted: str, root: str | None) -> RunFolder:
    """The run to go on with: the one named, else the newest interrupted one (of a recipe)."""
    from pathlib import Path

    from assay.config import load
    from assay.errors import CheckpointError
    from assay.runs import RunFolder, find_run, find_unfinished

    name, path = wanted, Path(wanted)
    if wanted and RunFolder(path).exists:
        return RunFolder.open(path)
    if path.is_file() or (wanted and (path / "recipe.yaml").is_file()):
        recipe = load(path).recipe
        name, root = recipe.name or "", root or recipe.output
    root = root or "runs"
    found = find_unfinished(root, name)
    if found is None and not wanted:
        raise CheckpointError(f"no interrupted run under {root}/; name one, or start a new run")
    return found or find_run(root, name)


def _finish(outcome: RunOutcome, *, as_json: bool) -> int:
    value: dict[str, Any] = {
        "run": str(outcome.run.path),
        "verdict": outcome.verdict,
        "task": outcome.evaluation["suites"].get("task"),
        "report": str(outcome.run.report),
        "signer": outcome.signer,
        "exit_code": outcome.exit_code,
    }
    from assay.cli.outcome import render_outcome
    from assay.runs import read_json

    tried = read_json(outcome.run.manifest).get("sweep")
    if tried:
        value["sweep"] = tried
    print_result(value, text="" if as_json else render_outcome(outcome), as_json=as_json)
    return outcome.exit_code
