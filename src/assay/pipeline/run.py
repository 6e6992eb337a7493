"""One run: recipe → data → baseline → tune → evaluate → gate → release or hold."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.config import Loaded, dump, load
from assay.data import write_refusal
from assay.errors import EXIT_HELD, EXIT_OK, CheckpointError, ConfigError
from assay.evaluate.gates import Policy
from assay.pipeline.check import (
    describe_context,
    describe_output,
    load_checked,
    refuse_sweep,
    require_sweep,
)
from assay.pipeline.free_form import check_judge
from assay.pipeline.gate import load_gate_policy
from assay.pipeline.graders import check_grader
from assay.pipeline.inoculating import settle_inoculation
from assay.pipeline.job import Job
from assay.pipeline.launch import check_processes
from assay.pipeline.monitor import choose_monitor
from assay.pipeline.playing import check_environment
from assay.pipeline.progress import PlainProgress, Progress
from assay.pipeline.publish import is_published, is_released, publish
from assay.pipeline.served import check_server, serving
from assay.pipeline.subject import check_packages, describe_base, find_recipe_base
from assay.pipeline.trackers import check_trackers
from assay.release import default_key_path, load_or_make_key
from assay.runs import RunFolder, read_json
from assay.train.phases import NO_PHASES, Phases

if TYPE_CHECKING:
    from assay.pipeline.prepare import Prepared


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended: its folder, the verdict as in verdict.json, and evaluation.json."""

    run: RunFolder
    verdict: dict[str, Any]
    evaluation: dict[str, Any]
    signer: str | None

    @property
    def released(self) -> bool:
        return bool(self.verdict["status"] == "released")

    @property
    def exit_code(self) -> int:
        """0 released, 3 held."""
        return EXIT_OK if self.released else EXIT_HELD


def run_recipe(
    recipe: str | Path | Loaded,
    overrides: Sequence[str] = (),
    *,
    progress: Progress | None = None,
) -> RunOutcome:
    """Run a recipe from data to verdict in a new run folder.

    Raises:
        ConfigError: problems of the recipe, all of them, before anything is loaded; or a sweep.
        DataError: problems of the data, all of them, before anything is trained.
        ReleaseError: there is a signing key that cannot be used, before anything is loaded.
        TrainingError, EvaluationError, ResourceError: see `assay.errors`.
    """
    loaded = recipe if isinstance(recipe, Loaded) else load_checked(recipe, overrides)
    refuse_sweep(loaded)
    return _begin(loaded, progress)


def run_sweep(
    recipe: str | Path | Loaded,
    overrides: Sequence[str] = (),
    *,
    progress: Progress | None = None,
) -> RunOutcome:
    """Run a recipe with a sweep: every candidate tuned on one base, the best one to its verdict.

    Raises:
        ConfigError: as in `run_recipe`; or there is no sweep.
        Else as in `run_recipe`.
    """
    loaded = recipe if isinstance(recipe, Loaded) else load_checked(recipe, overrides)
    require_sweep(loaded)
    return _begin(loaded, progress)


def _begin(loaded: Loaded, progress: Progress | None) -> RunOutcome:
    policy = check_before(loaded)
    run = begin_run(loaded)
    return go_through(loaded, run, policy, progress or PlainProgress(), resume=False)


def begin_run(loaded: Loaded) -> RunFolder:
    """A new run folder under the recipe's `output`.

    Raises:
        ConfigError: none can be made there.
        ResourceError: the disk is full.
    """
    output = loaded.recipe.output
    name, text = loaded.recipe.name or "run", dump(loaded.recipe)
    try:
        run = RunFolder.create(Path(output), name, text, recipe_folder=loaded.base_dir)
        run.update_manifest({"recipe_folder": str(loaded.base_dir.resolve())})
    except OSError as error:
        problem = describe_output(output, error.strerror or str(error))
        raise ConfigError(loaded.locate(problem)) from error
    return run


def resume_run(
    run: RunFolder, overrides: Sequence[str] = (), *, progress: Progress | None = None
) -> RunOutcome:
    """Go on with a run that was interrupted, from its newest checkpoint.

    `overrides` may set the number of processes; whatever else decides the result stays as it was.
    A run that was only tuned is measured and judged, without training again.
    A run that was judged and has no report, card or signature yet gets them from its stored files.

    Raises:
        CheckpointError: the run has ended, or its data, base or template have changed.
        ReleaseError: there is a signing key that cannot be used.
    """
    progress = progress or PlainProgress()
    if run.verdict.exists():
        return _publish_judged(run, progress)
    manifest = read_json(run.manifest)
    if "repair" in manifest and not manifest.get("training"):
        origin = run.path.parent / str(manifest.get("repaired_from", {}).get("name"))
        raise CheckpointError(
            f"{run.path}: a repair that has not chosen yet; go on with it: assay repair {origin}"
        )
    if manifest.get("tuned"):
        # From here on it is a run that was interrupted before its verdict.
        run.update_manifest({"tuned": None})
    loaded = load(run.recipe, overrides, base_dir=manifest.get("recipe_folder"))
    return go_through(loaded, run, check_before(loaded), progress, resume=True)


def _publish_judged(run: RunFolder, progress: Progress) -> RunOutcome:
    with run.lock():
        if is_published(run):
            raise CheckpointError(f"{run.path}: this run has ended; see `assay runs show {run.id}`")
        progress.note(
            f"run {run.path} was judged before; writing what is missing of its report, card and"
            " signature, without training or measuring anew"
        )
        signer = publish(run, load_or_make_key() if is_released(run) else None)
        return RunOutcome(run, read_json(run.verdict), read_json(run.evaluation), signer)


def check_before(loaded: Loaded) -> Policy:
    """The gates' policy; it, packages and signing key are refused before anything is spent."""
    check_trackers(loaded.recipe.trackers)
    check_packages(loaded)
    check_processes(loaded)
    check_judge(loaded)
    check_grader(loaded)
    check_environment(loaded)
    check_server(loaded)
    if default_key_path().exists():
        load_or_make_key()
    return load_gate_policy(loaded)


def go_through(
    loaded: Loaded, run: RunFolder, policy: Policy, progress: Progress, *, resume: bool
) -> RunOutcome:
    """Every stage of a run to its verdict; with `resume` what is stored already is not redone."""
    verb = "sweep" if loaded.recipe.sweep else "run"
    with opened_run(loaded, run, progress, verb=verb) as (opened, prepared), serving(opened) as job:
        from assay.pipeline.stages import finish, train_and_measure

        measured = train_and_measure(job, prepared, resume=resume)
        return finish(job, measured, policy)


@contextmanager
def opened_run(
    loaded: Loaded,
    run: RunFolder,
    progress: Progress,
    *,
    verb: str,
    phases: Phases = NO_PHASES,
) -> Iterator[tuple[Job, Prepared]]:
    """The run locked, its job, and its data prepared; `verb` is what it is gone on with, and empty
    where that is told elsewhere.

    Raises:
        ConfigError, DataError, CheckpointError: see `open_job` and `assay.pipeline.prepare`.
    """
    from assay.pipeline.prepare import prepare

    sources = loaded.recipe.data.train
    with run.lock(), _resumable(run, progress, verb=verb):
        progress.note(f"run {run.path}")
        _keep_num_threads(run, progress)
        progress.stage("data", f"data: {', '.join(source.path for source in sources)}")
        job = replace(open_job(loaded, run, progress), phases=phases)
        with phases("data"):
            prepared = prepare(job)
        yield job, prepared


def open_job(loaded: Loaded, run: RunFolder, progress: Progress) -> Job:
    """The job of a run: its base found, compared with the one it began with, and written down.

    Raises:
        ConfigError: no such base, or one whose context is too short.
        CheckpointError: the base or its template has changed since the run began.
    """
    base = find_recipe_base(loaded, run)
    _refuse_long_sequences(loaded, run, base.context_len)
    run.update_manifest(
        {
            **describe_base(base),
            "seeds": {"recipe": loaded.recipe.seed},
            "method": loaded.recipe.method.type,
        }
    )
    monitor = choose_monitor(loaded.recipe)
    return settle_inoculation(
        Job(loaded.recipe, loaded.base_dir, run, base, progress, monitor=monitor)
    )


@contextmanager
def _resumable(run: RunFolder, progress: Progress, *, verb: str) -> Iterator[None]:
    """Say how to go on with a run that is interrupted, at whatever stage."""
    try:
        yield
    except KeyboardInterrupt:
        if verb:
            progress.note(f"interrupted; go on with: assay {verb} --resume {run.path}")
        raise


def _refuse_long_sequences(loaded: Loaded, run: RunFolder, context_len: int) -> None:
    """Refuse a `data.max_seq_len` beyond the base's context, in tokens.

    Of a base on disk `load_checked` says so before the run begins; a Hub model must be there first.
    """
    wanted = loaded.recipe.data.max_seq_len
    if wanted is None or wanted <= context_len:
        return
    problem = loaded.locate(describe_context(wanted, context_len))
    if not run.data_report.exists():
        write_refusal(run.data, [problem])
    raise ConfigError(problem)


def _keep_num_threads(run: RunFolder, progress: Progress) -> None:
    """Compute with the number of threads the run began with: sums depend on it in the last bit."""
    import torch

    available = torch.get_num_threads()
    begun_with = read_json(run.manifest).get("num_threads", available)
    if begun_with > (os.cpu_count() or 1):
        progress.note(
            f"this run began with {begun_with} threads and goes on with {available}: its figures"
            " may differ in the last digits from an uninterrupted run's"
        )
        return
    torch.set_num_threads(begun_with)
    run.update_manifest({"num_threads": begun_with})
