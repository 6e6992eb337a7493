"""A recipe to its tuned weights alone: no baseline, no gates, so no verdict and no release.

What it leaves is a run like any other, marked as tuned: it can be talked to, measured and exported,
and ``assay run --resume`` measures and judges it later without training again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.config import Loaded, load
from assay.errors import CheckpointError, ConfigError, Problem
from assay.pipeline.check import load_checked, refuse_sweep
from assay.pipeline.method import check_method
from assay.pipeline.plan import check_device
from assay.pipeline.precision import choose_precision
from assay.pipeline.profile import PhaseMeter
from assay.pipeline.progress import PlainProgress, Progress
from assay.pipeline.run import begin_run, check_before, opened_run
from assay.pipeline.served import serving
from assay.pipeline.tune import Training, fit_settings
from assay.runs import RunFolder, read_json
from assay.train.phases import NO_PHASES


@dataclass(frozen=True)
class TuneOutcome:
    """What a tuning left: its run, what training gave, and the content of profile.json, if any."""

    run: RunFolder
    training: Training
    profile: dict[str, Any] | None


def run_tuning(
    recipe: str | Path | Loaded,
    overrides: Sequence[str] = (),
    *,
    profile: bool = False,
    progress: Progress | None = None,
) -> TuneOutcome:
    """Tune a recipe in a new run folder; with `profile`, measure its phases and trace some steps.

    Raises:
        ConfigError: problems of the recipe, all of them, before anything is loaded; or a sweep.
        DataError: problems of the data, all of them, before anything is trained.
        TrainingError, ResourceError: see `assay.errors`.
    """
    loaded = recipe if isinstance(recipe, Loaded) else load_checked(recipe, overrides)
    check_tuning(loaded, profile=profile)
    check_before(loaded)
    run = begin_run(loaded)
    return _tune(loaded, run, progress or PlainProgress(), resume=False, profile=profile)


def resume_tuning(
    run: RunFolder,
    overrides: Sequence[str] = (),
    *,
    progress: Progress | None = None,
) -> TuneOutcome:
    """Go on with a tuning that was interrupted, from its newest checkpoint.

    Raises:
        CheckpointError: its training has ended, or its data, base or template have changed.
    """
    manifest = read_json(run.manifest)
    if manifest.get("training"):
        raise CheckpointError(
            f"{run.path}: its training has ended; measure and judge it with: assay run --resume"
            f" {run.path}"
        )
    loaded = load(run.recipe, overrides, base_dir=manifest.get("recipe_folder"))
    check_tuning(loaded, profile=False)
    check_before(loaded)
    return _tune(loaded, run, progress or PlainProgress(), resume=True, profile=False)


def check_tuning(loaded: Loaded, *, profile: bool) -> None:
    """Whether a recipe can be tuned by itself.

    Raises:
        ConfigError: it sweeps, or a profile of several processes is asked for.
    """
    refuse_sweep(loaded)
    if profile and loaded.recipe.launch.processes > 1:
        problem = Problem(
            key="launch.processes",
            got=f"a profile of {loaded.recipe.launch.processes} processes",
            allowed="a profile of one",
            do="set it to 1, or leave --profile out",
        )
        raise ConfigError(loaded.locate(problem))


def _tune(
    loaded: Loaded, run: RunFolder, progress: Progress, *, resume: bool, profile: bool
) -> TuneOutcome:
    from assay.generate.local import LocalEngine
    from assay.models.base import load_model
    from assay.pipeline.tuned import tune_or_reload

    meter = PhaseMeter(trace=run.path / "trace.json.gz") if profile else None
    phases = meter or NO_PHASES
    opening = opened_run(loaded, run, progress, verb="tune", phases=phases)
    with opening as (opened, prepared), serving(opened) as job:
        # Only the engine holds the model: for a tuning on several processes it lets go of it.
        engine = LocalEngine(
            load_model(job.base, dtype=choose_precision(job.recipe).weights),
            job.tokenizer,
            batch_size=1,
            context_len=job.base.context_len,
        )
        check_method(job, engine.model)
        check_device(job, engine.model)
        progress.stage("tune", f"tune: {job.recipe.method.type}, {len(prepared.train)} rows")
        num_steps = fit_settings(job, len(prepared.train_sequences)).num_steps
        with meter.running(num_steps=num_steps) if meter else nullcontext():
            training = tune_or_reload(job, prepared, engine, resume=resume)
        content = meter.summarize(num_tokens=training.num_tokens) if meter else None
        if content:
            run.write_json(run.path / "profile.json", content)
        run.update_manifest({"tuned": datetime.now(UTC).isoformat(timespec="seconds")})
    return TuneOutcome(run, training, content)
