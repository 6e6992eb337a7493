"""Stored evaluations of runs and judged adapters as references that a policy is calibrated on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.errors import Problem, UsageError
from assay.evaluate.gates.calibrate import Reference
from assay.pipeline.adapter import NEEDS_RUN, NEEDS_TASK
from assay.runs import RunFolder, read_json
from assay.runs.values import mapping

EVALUATION = "evaluation.json"


def load_references(paths: Sequence[Path]) -> list[Reference]:
    """Every ``evaluation.json`` in and beneath the folders, each once, in order of its path.

    A run's is read with the findings on its data; an adapter's leaves out the gates that need a
    training run, and those of the task where it was judged without held-out rows.

    Raises:
        UsageError: folders without one, all named.
    """
    found: dict[Path, Reference] = {}
    problems = []
    for path in paths:
        files = sorted(path.rglob(EVALUATION)) if path.is_dir() else []
        if not files:
            do = "name runs, or folders that `assay gate --adapter … --out` wrote"
            problems.append(Problem(got=f"{path}, where no {EVALUATION} lies", do=do))
        found |= {one.parent.resolve(): _load(one.parent) for one in files}
    if problems:
        raise UsageError(problems)
    return list(found.values())


def find_common_base(references: Sequence[Reference]) -> dict[str, Any]:
    """The one base (``{"name", "sha256"}``) that all were tuned from.

    Raises:
        UsageError: they are of several, or one does not say of which.
    """
    by_base: dict[tuple[str, str], list[str]] = {}
    for one in references:
        base = mapping(one.evaluation.get("base"))
        key = (str(base.get("name") or ""), str(base.get("sha256") or ""))
        by_base.setdefault(key, []).append(one.name)
    unknown = [name for (base, sha256), names in by_base.items() if not base for name in names]
    if unknown:
        got = f"evaluations that do not say of which base they are: {', '.join(unknown)}"
        raise UsageError([Problem(got=got, do="judge them again, or leave them out")])
    if len(by_base) > 1:
        told = "; ".join(f"{name}: {', '.join(own)}" for (name, _), own in by_base.items())
        allowed = "runs of one base, with the same weights"
        raise UsageError([Problem(got=f"runs of several bases ({told})", allowed=allowed)])
    ((name, sha256),) = by_base
    return {"name": name, "sha256": sha256}


def _load(folder: Path) -> Reference:
    evaluation = read_json(folder / EVALUATION)
    run = RunFolder(folder)
    if not run.manifest.exists():
        has_task = "task" in evaluation.get("suites", {})
        left_out = (*NEEDS_RUN, *(() if has_task else NEEDS_TASK))
        return Reference(str(folder), evaluation, left_out)
    base = evaluation.get("base") or mapping(read_json(run.manifest).get("base"))
    findings = read_json(run.data_report).get("findings", {}) if run.data_report.exists() else {}
    return Reference(str(folder), {**evaluation, "base": base, "data": findings})
