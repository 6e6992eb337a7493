"""Finding runs on disk and summing each up in a line; knows no more than the files say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from assay.errors import CheckpointError
from assay.runs.atomic import read_json
from assay.runs.folder import RunFolder
from assay.runs.values import dig, mapping, number, text

STATUSES = ("released", "held", "overridden", "running", "refused", "unfinished", "unreadable")


@dataclass(frozen=True)
class RunSummary:
    """One run in a line. `gain` is tuned minus base on the task suite, with its interval.

    `status` is one of `STATUSES`, ``refused`` where the data were; `signed` says whether
    release.json lies beside its signature (not whether it verifies). What is not known is an
    empty text or None.
    """

    id: str
    name: str
    path: Path
    created: str
    base: str
    method: str
    objective: str
    status: str
    headline: str
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    num_items: int | None
    signed: bool


def list_runs(root: Path | str) -> list[RunSummary]:
    """Sum up every run folder under `root`, newest first; a missing root is an empty list."""
    folder = Path(root)
    if not folder.is_dir():
        return []
    found = [RunFolder(path) for path in folder.iterdir() if (path / "recipe.yaml").is_file()]
    return [summarize(run) for run in sorted(found, key=lambda run: run.id, reverse=True)]


def find_run(root: Path | str, name_or_id_or_path: str | Path) -> RunFolder:
    """Find one run by path, folder name, id, the start of an id (4 characters), or name (newest).

    Raises:
        CheckpointError: nothing matches, or the start of an id matches several.
    """
    wanted = str(name_or_id_or_path)
    if (Path(wanted) / "recipe.yaml").is_file():
        return RunFolder.open(wanted)
    folder = Path(root)
    paths = [path for path in folder.glob("*") if (path / "recipe.yaml").is_file()]
    runs = sorted((RunFolder(path) for path in paths), key=lambda run: run.id, reverse=True)
    for run in runs:
        if wanted in (run.path.name, run.id, run.name):
            return run
    starts = [run for run in runs if len(wanted) >= 4 and run.id.startswith(wanted)]
    if len(starts) == 1:
        return starts[0]
    raise CheckpointError(_not_found(wanted, folder, runs, starts))


def summarize(run: RunFolder) -> RunSummary:
    """Sum one run up from its files, whatever is there."""
    manifest, verdict = read_or_empty(run.manifest), read_or_empty(run.verdict)
    recipe = read_recipe(run.recipe)
    task = _task_suite(read_or_empty(run.evaluation))
    gain = mapping(dig(task, "comparisons", "tuned_vs_base"))
    count = number(gain.get("n", task.get("n")))
    return RunSummary(
        id=run.id,
        name=text(manifest.get("name")) or run.name,
        path=run.path,
        created=text(manifest.get("created")) or _modified(run.recipe),
        base=_named(recipe.get("base"), "name"),
        method=_named(recipe.get("method"), "type"),
        objective=_named(recipe.get("objective"), "type"),
        status=_status(run, verdict),
        headline=text(verdict.get("headline")),
        gain=number(gain.get("difference")),
        gain_low=number(gain.get("low")),
        gain_high=number(gain.get("high")),
        num_items=None if count is None else int(count),
        signed=run.release.is_file() and run.signature.is_file(),
    )


def read_or_empty(path: Path) -> dict[str, Any]:
    """Read a JSON object of a run; an empty one when it is missing or damaged."""
    try:
        return mapping(read_json(path))
    except CheckpointError:
        return {}


def read_recipe(path: Path) -> dict[str, Any]:
    """Read recipe.yaml as plain values, unchecked; an empty mapping when it cannot be read."""
    try:
        return mapping(YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, YAMLError):
        return {}


def _task_suite(evaluation: dict[str, Any]) -> dict[str, Any]:
    suites = [mapping(suite) for suite in mapping(evaluation.get("suites")).values()]
    return next((suite for suite in suites if suite.get("kind") == "task"), {})


def _status(run: RunFolder, verdict: dict[str, Any]) -> str:
    if run.writer is not None:
        return "running"
    if not run.verdict.exists():
        return "refused" if read_or_empty(run.data_report).get("refused") else "unfinished"
    status = verdict.get("status")
    if status == "held" and read_or_empty(run.release).get("overrides"):
        return "overridden"
    return status if status in ("released", "held") else "unreadable"


def _named(value: Any, key: str) -> str:
    return text(value.get(key)) if isinstance(value, dict) else text(value)


def _modified(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")


def _not_found(wanted: str, root: Path, runs: list[RunFolder], starts: list[RunFolder]) -> str:
    if len(starts) > 1:
        several = ", ".join(run.path.name for run in starts[:5])
        return f"{wanted}: the start of {len(starts)} runs' ids ({several}); give more of it"
    if not runs:
        return f"{wanted}: no run under {root}/ and no run folder of that path"
    names = [name for run in runs for name in (run.path.name, run.name, run.id)]
    near = get_close_matches(wanted, list(dict.fromkeys(names)), n=3)
    hint = f"did you mean {', '.join(near)}?" if near else f"newest: {runs[0].path.name}"
    return f"{wanted}: no such run under {root}/; {hint}"
