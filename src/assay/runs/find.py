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
from assay.runs.ids import slug
from assay.runs.values import dig, mapping, number, text

STATUSES = (
    "released",
    "held",
    "overridden",
    "tuned",
    "running",
    "refused",
    "unfinished",
    "unreadable",
)


@dataclass(frozen=True)
class RunSummary:
    """One run in a line. `gain` is tuned minus base on the task suite, with its interval.

    `status` is one of `STATUSES`: ``tuned`` where no more than tuned weights was asked for,
    ``refused`` where the data were, ``unfinished`` where the run was cut off before what follows
    its verdict too (report and card, or the signature). `signed` says whether release.json lies
    beside its signature (not whether it verifies). What is not known is an empty text or None.
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
    return [summarize(run) for run in _list_folders(root)]


def find_run(root: Path | str, name_or_id_or_path: str | Path) -> RunFolder:
    """Find one run by path, folder name, id, the start of an id (4 characters), or name (newest).

    The folder of a recipe stands for the runs of the recipe's name.

    Raises:
        CheckpointError: nothing matches, or the start of an id matches several.
    """
    wanted = str(name_or_id_or_path)
    if wanted and RunFolder(Path(wanted)).exists:
        return RunFolder.open(wanted)
    runs = _list_folders(root)
    for name in (wanted, _read_name(wanted)):
        for run in runs:
            if name in (run.path.name, run.id) or _is_named(run, name):
                return run
    starts = [run for run in runs if len(wanted) >= 4 and run.id.startswith(wanted)]
    if len(starts) == 1:
        return starts[0]
    raise CheckpointError(_not_found(wanted, Path(root), runs, starts))


def find_unfinished(root: Path | str, name: str = "") -> RunFolder | None:
    """Find the newest run that was interrupted, of this name if one is given; None without one."""
    for run in _list_folders(root):
        if (not name or _is_named(run, name)) and summarize(run).status == "unfinished":
            return run
    return None


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
        headline=text(verdict.get("headline")) or _headline(run, manifest),
        gain=number(gain.get("difference")),
        gain_low=number(gain.get("low")),
        gain_high=number(gain.get("high")),
        num_items=None if count is None else int(count),
        signed=_is_signed(run),
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


def _list_folders(root: Path | str) -> list[RunFolder]:
    """Every run under `root`, newest first."""
    found = [run for run in map(RunFolder, Path(root).glob("*")) if run.exists]
    return sorted(found, key=lambda run: run.id, reverse=True)


def _is_named(run: RunFolder, name: str) -> bool:
    """Whether a run has this name, as its recipe or its folder spells it; a path is no name."""
    is_path = "/" in name or not name.strip(".")
    return run.name == name or (not is_path and run.name == slug(name))


def _read_name(wanted: str) -> str:
    """The name that a recipe's runs have, where `wanted` is the recipe's folder; else `wanted`."""
    recipe = Path(wanted) / "recipe.yaml"
    if not wanted or not recipe.is_file():
        return wanted
    return text(read_recipe(recipe).get("name")) or recipe.resolve().parent.name


def _task_suite(evaluation: dict[str, Any]) -> dict[str, Any]:
    suites = [mapping(suite) for suite in mapping(evaluation.get("suites")).values()]
    return next((suite for suite in suites if suite.get("kind") == "task"), {})


def _status(run: RunFolder, verdict: dict[str, Any]) -> str:
    if run.writer is not None:
        return "running"
    if not run.verdict.exists() and read_or_empty(run.manifest).get("tuned"):
        return "tuned"
    if not run.verdict.exists():
        return "refused" if read_or_empty(run.data_report).get("refused") else "unfinished"
    status = verdict.get("status")
    if status == "released":
        return status if _is_signed(run) else "unfinished"
    if status != "held":
        return "unreadable"
    if read_or_empty(run.release).get("overrides"):
        return "overridden"
    return status if run.report.exists() and run.card.exists() else "unfinished"


def _headline(run: RunFolder, manifest: dict[str, Any]) -> str:
    """What a run without a verdict says of itself, where it was only tuned."""
    if not manifest.get("tuned"):
        return ""
    return f"tuned, not measured; judge it with: assay run --resume {run.path}"


def _is_signed(run: RunFolder) -> bool:
    return run.release.is_file() and run.signature.is_file()


def _named(value: Any, key: str) -> str:
    return text(value.get(key)) if isinstance(value, dict) else text(value)


def _modified(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")


def _not_found(wanted: str, root: Path, runs: list[RunFolder], starts: list[RunFolder]) -> str:
    if len(starts) > 1:
        several = ", ".join(run.path.name for run in starts[:5])
        return f"{wanted}: the start of {len(starts)} runs' ids ({several}); give more of it"
    if wanted and (Path(wanted) / "recipe.yaml").is_file():
        return f"{wanted}: a recipe without a run under {root}/; make one: assay run {wanted}"
    if not runs:
        return f"{wanted}: no run under {root}/ and no run folder of that path"
    names = [name for run in runs for name in (run.path.name, run.name, run.id)]
    near = get_close_matches(wanted, list(dict.fromkeys(names)), n=3)
    hint = f"did you mean {', '.join(near)}?" if near else f"newest: {runs[0].path.name}"
    return f"{wanted}: no such run under {root}/; {hint}"
