"""The run that a repair makes: where it comes from, what it takes over, and what was tried.

<root>/<name>-repaired-<id>/
  manifest.json         repaired_from, repair: options, questions, chosen
  repair/tried.jsonl    every candidate as soon as it was weighed
  repair/answers/       its answers to the choosing questions
  repair/weights/       adapters that were changed as files; gone once one was chosen
  repair/tunings/       tunings, each a run folder of its own; their weights go, too
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from assay.config import Loaded, dump
from assay.pipeline.repair.weighed import Weighed
from assay.runs import RunFolder, read_json, sha256_file
from assay.runs.atomic import write_text
from assay.runs.find import read_or_empty
from assay.runs.ids import slug
from assay.runs.metrics import append_line, read_lines
from assay.runs.values import dig, mapping

SUFFIX = "-repaired"
_TAKEN = ("data", "tokenizer")
_BASE_ANSWERS = "base-*.jsonl"
_COUNTED = ("step", "tokens")
_TASK = ("n", "base", "prompted", "tuned", "comparisons")


@dataclass(frozen=True)
class RepairOptions:
    """What a repair may use.

    Attributes:
        general: a file of rows of what the base does well and safely; built in for `tiny`.
        aligned, unaligned: folders of the base before and after it was aligned, for projection.
        keep: the share of the task's gain for the sake of which a dearer intervention is tried,
            from 0 to 1.
    """

    general: str | None = None
    aligned: str | None = None
    unaligned: str | None = None
    keep: float = 0.8


def find_child(run: RunFolder, options: RepairOptions) -> RunFolder | None:
    """The newest repair of these weights with these options, finished or not."""
    wanted = {"weights": hash_weights(run), "options": asdict(options)}
    children = [RunFolder(path) for path in run.path.parent.glob(f"{slug(run.name + SUFFIX)}-*")]
    for child in sorted(children, key=lambda one: one.id, reverse=True):
        known = read_or_empty(child.manifest)
        found = {
            "weights": dig(known, "repaired_from", "weights"),
            "options": dig(known, "repair", "options"),
        }
        if found == wanted:
            return child
    return None


def begin_child(
    run: RunFolder, loaded: Loaded, options: RepairOptions, *, failed: list[str]
) -> RunFolder:
    """A new run folder beside `run`, with its rows, metrics and the base's answers."""
    child = RunFolder.create(
        run.path.parent,
        f"{run.name}{SUFFIX}",
        dump(loaded.recipe),
        recipe_folder=loaded.base_dir,
    )
    for name in _TAKEN:
        if (run.path / name).is_dir():
            shutil.copytree(run.path / name, child.path / name)
    if run.metrics.exists():
        shutil.copyfile(run.metrics, child.metrics)
    answers = child.path / "evaluation" / "answers"
    answers.mkdir(parents=True)
    for path in (run.path / "evaluation" / "answers").glob(_BASE_ANSWERS):
        shutil.copyfile(path, answers / path.name)
    origin = {
        "run": run.id,
        "name": run.path.name,
        "weights": hash_weights(run),
        "headline": read_json(run.verdict).get("headline"),
        "failed": failed,
        "task": _read_task(run),
    }
    # The last thing written: a folder without it is no repair, and is not gone on with.
    child.update_manifest(
        {
            "recipe_folder": str(loaded.base_dir.resolve()),
            "repaired_from": origin,
            "parents": [{"run": run.id, "weights": origin["weights"], "verdict": "held"}],
            "repair": {"options": asdict(options), "chosen": None},
        }
    )
    return child


def hash_weights(run: RunFolder) -> list[str]:
    """The SHA-256 of every file of tuned weights, in the order of their names."""
    folder = run.adapter if run.adapter.is_dir() else run.model
    return [sha256_file(path) for path in sorted(folder.glob("*.safetensors"))]


def update_repair(child: RunFolder, changes: Mapping[str, Any]) -> None:
    """Set keys of the manifest's section ``repair``."""
    known = mapping(read_json(child.manifest).get("repair"))
    child.update_manifest({"repair": {**known, **changes}})


def work_folder(child: RunFolder) -> Path:
    return child.path / "repair"


def read_tried(child: RunFolder) -> dict[str, Weighed]:
    """Every candidate that was weighed, by its name, in order."""
    path = work_folder(child) / "tried.jsonl"
    lines = read_lines(path) if path.exists() else []
    return {str(line["name"]): Weighed(**line) for line in lines}


def add_tried(child: RunFolder, weighed: Weighed) -> None:
    append_line(work_folder(child) / "tried.jsonl", weighed.to_dict())


def take_over(child: RunFolder, tuning: RunFolder) -> None:
    """Make `child` the run of a tuning anew: its recipe, rows and metrics."""
    write_text(child.recipe, tuning.recipe.read_text(encoding="utf-8"))
    shutil.copyfile(tuning.metrics, child.metrics)
    shutil.rmtree(child.data)
    shutil.copytree(tuning.data, child.data)


def join_metrics(child: RunFolder, parts: Sequence[RunFolder]) -> None:
    """Make the metrics of `child` those of runs that went on from one another.

    Steps and tokens count on from those of the run before.
    """
    joined: list[str] = []
    before = dict.fromkeys(_COUNTED, 0)
    for part in parts:
        lines = part.read_metrics() if part.metrics.exists() else []
        counted = [{**one, **{name: before[name] + one[name] for name in before}} for one in lines]
        before = {name: counted[-1][name] for name in before} if counted else before
        joined += [json.dumps(one, ensure_ascii=False, allow_nan=False) for one in counted]
    write_text(child.metrics, "".join(f"{line}\n" for line in joined))


def clear_work(child: RunFolder) -> None:
    """Remove weights and rows that were tried: what is released is in the run's own place."""
    for name in ("weights", "tunings"):
        shutil.rmtree(work_folder(child) / name, ignore_errors=True)


def _read_task(run: RunFolder) -> dict[str, Any]:
    """The held model's figures of the task on the test rows, for the cost in a report."""
    suites = mapping(read_or_empty(run.evaluation).get("suites"))
    task = next((mapping(s) for s in suites.values() if mapping(s).get("kind") == "task"), {})
    return {name: task[name] for name in _TASK if name in task}


def with_absolute(options: RepairOptions) -> RepairOptions:
    """The options with their paths made absolute, so that they name the same from anywhere."""
    return replace(
        options,
        general=_make_absolute(options.general),
        aligned=_make_absolute(options.aligned),
        unaligned=_make_absolute(options.unaligned),
    )


def _make_absolute(path: str | None) -> str | None:
    return None if path is None else str(Path(path).resolve())
