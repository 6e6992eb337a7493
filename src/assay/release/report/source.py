"""Everything the report shows, read once from a run folder; lays nothing out.

Missing or damaged files are empty values: a report of half a run is still a report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assay.errors import CheckpointError
from assay.release.gates import Gate, read_gates
from assay.release.measured import Suite, read_suites, task_suite
from assay.release.repaired import Repair, read_repair
from assay.release.swept import Sweep, read_curves, read_sweep
from assay.runs import RunFolder, read_lines
from assay.runs.find import read_or_empty, read_recipe
from assay.runs.values import dig, mapping, number, sequence, text


@dataclass(frozen=True)
class ReportSource:
    """A run's files as plain values. `signer` is the key id of who will sign, if it is known.

    `curves` are the metrics of each candidate of `sweep` by its name; `repair` is what made a run
    out of one that was held.
    """

    run: RunFolder
    name: str
    created: str
    recipe_text: str
    recipe: dict[str, Any]
    manifest: dict[str, Any]
    evaluation: dict[str, Any]
    suites: list[Suite]
    items: list[dict[str, Any]]
    verdict: dict[str, Any]
    gates: list[Gate]
    data: dict[str, Any]
    metrics: list[dict[str, Any]]
    signer: str | None
    overrides: list[dict[str, Any]]
    sweep: Sweep | None
    curves: dict[str, list[dict[str, Any]]]
    repair: Repair | None = None

    @property
    def status(self) -> str:
        """released, held, overridden, or nothing without a verdict."""
        status = text(self.verdict.get("status"))
        return "overridden" if status == "held" and self.overrides else status

    @property
    def is_adapter(self) -> bool:
        """Whether the run gave an adapter for its base, not a whole model."""
        return not self.run.model.is_dir()

    @property
    def base(self) -> str:
        """The base's name, from the manifest or else the recipe."""
        recipe = self.recipe.get("base")
        named = recipe.get("name") if isinstance(recipe, dict) else recipe
        return text(dig(self.manifest, "base", "name")) or text(named)

    @property
    def headline(self) -> str:
        """The verdict's own first line."""
        return text(self.verdict.get("headline"))

    @property
    def confidence(self) -> float:
        """The level of every interval, in (0, 1)."""
        return number(dig(self.evaluation, "statistics", "confidence")) or 0.95

    @property
    def task(self) -> Suite | None:
        """The user's task suite."""
        return task_suite(self.suites)


def read_source(
    run: RunFolder, *, signer: str | None, overrides: list[dict[str, Any]] | None
) -> ReportSource:
    """Read a run; `overrides` default to those of a release that was signed before."""
    manifest, verdict = read_or_empty(run.manifest), read_or_empty(run.verdict)
    evaluation, release = read_or_empty(run.evaluation), read_or_empty(run.release)
    known = sequence(release.get("overrides")) if overrides is None else overrides
    sweep = read_sweep(run)
    return ReportSource(
        run=run,
        name=text(manifest.get("name")) or run.name,
        created=text(manifest.get("created")),
        recipe_text=_read_text(run),
        recipe=read_recipe(run.recipe),
        manifest=manifest,
        evaluation=evaluation,
        suites=read_suites(evaluation),
        items=_lines_or_empty(run, "items"),
        verdict=verdict,
        gates=read_gates(verdict),
        data=read_or_empty(run.data_report),
        metrics=_lines_or_empty(run, "metrics"),
        signer=signer,
        overrides=[mapping(entry) for entry in known],
        sweep=sweep,
        repair=read_repair(run),
        curves=read_curves(run, sweep) if sweep else {},
    )


def _read_text(run: RunFolder) -> str:
    return run.recipe.read_text(encoding="utf-8", errors="replace") if run.recipe.exists() else ""


def _lines_or_empty(run: RunFolder, name: str) -> list[dict[str, Any]]:
    try:
        return read_lines(getattr(run, name))
    except CheckpointError:
        return []
