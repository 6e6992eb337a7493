"""From the base to the tuned model: trained here or on several processes, or loaded again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.pipeline.batches import build_rows
from assay.pipeline.job import Job
from assay.pipeline.launch import train_on_ranks
from assay.pipeline.method import add_method
from assay.pipeline.precision import choose_precision
from assay.pipeline.prepare import Prepared
from assay.pipeline.rewards import reload_scored, save_whole_scored
from assay.pipeline.sweep import sweep
from assay.pipeline.tokens import select_sequences, store_sequences
from assay.pipeline.tune import Training, tune
from assay.pipeline.worker import ended_file
from assay.runs import read_json

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine


def tune_or_reload(job: Job, prepared: Prepared, engine: LocalEngine, *, resume: bool) -> Training:
    """Put the tuned model in place of the base in `engine`, and leave it saved in the run.

    In a resumed run whose training had ended, it is loaded as it was saved.
    """
    done = read_json(job.run.manifest).get("training") if resume else None
    if done:
        engine.model = _reload(job, engine.model)
        return Training(**done)
    if job.recipe.sweep:
        training = sweep(job, prepared, engine.model, resume=resume)
        engine.model = _reload(job, engine.model)
    else:
        training = _tune(job, prepared, engine, resume=resume)
    job.run.update_manifest({"training": training.to_dict()})
    return training


def _tune(job: Job, prepared: Prepared, engine: LocalEngine, *, resume: bool) -> Training:
    """Train, and save what came out."""
    from assay.models.adapters import save_adapter, save_model
    from assay.models.value_head import remove_value_head

    whole = job.recipe.method.trains_base
    if job.recipe.launch.processes > 1 or ended_file(job.run).exists():
        training, wrapped = _tune_on_ranks(job, prepared, engine)
    else:
        wrapped = add_method(job, engine.model)
        rows = build_rows(job, select_sequences(prepared))
        model = wrapped if whole else wrapped.get_base_model()
        training = tune(job, rows, model, resume=resume)
    remove_value_head(wrapped if whole else wrapped.get_base_model())
    if whole and job.recipe.objective.gives_scores:
        save_whole_scored(job, wrapped)
    else:
        save = save_model if whole else save_adapter
        save(wrapped, job.tuned_folder, tokenizer_folder=job.base.tokenizer_files)
    engine.model = wrapped if whole else wrapped.get_base_model()
    return training


def _tune_on_ranks(job: Job, prepared: Prepared, engine: LocalEngine) -> tuple[Training, Any]:
    """Train on other processes, with no model in this one meanwhile; then take over the weights."""
    from assay.models.base import load_model
    from assay.models.export import free_memory
    from assay.train.checkpoint import Checkpoints

    if not ended_file(job.run).exists():
        engine.model = None
        free_memory()
        store_sequences(job.run, select_sequences(prepared))
        train_on_ranks(job.run, num_ranks=job.recipe.launch.processes, progress=job.progress)
        engine.model = load_model(job.base, dtype=choose_precision(job.recipe).weights)
    wrapped = add_method(job, engine.model)
    model = wrapped if job.recipe.method.trains_base else wrapped.get_base_model()
    Checkpoints(job.run.checkpoints).load_best(model)
    return Training(**read_json(ended_file(job.run))), wrapped


def _reload(job: Job, base: Any) -> Any:
    """The causal model that was saved in the run."""
    from assay.models.adapters import load_adapter
    from assay.models.base import load_model

    dtype = choose_precision(job.recipe).weights
    if job.recipe.objective.gives_scores:
        return reload_scored(job, base, dtype=dtype)
    if not job.recipe.method.trains_base:
        return load_adapter(base, job.tuned_folder).get_base_model()
    saved = job.base.with_weights_of(job.tuned_folder)
    return load_model(saved, dtype=dtype)
