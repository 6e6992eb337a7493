"""A checkpoint of a run as weights that load by themselves, in PEFT's or Transformers' layout.

It reads the run and writes outside of it, so that what a release signs stays as it was.
"""

from __future__ import annotations

from pathlib import Path

from assay.config import Loaded, load
from assay.errors import CheckpointError
from assay.pipeline.job import Job
from assay.pipeline.method import add_method
from assay.pipeline.precision import choose_precision
from assay.pipeline.progress import Progress
from assay.pipeline.subject import find_recipe_base
from assay.runs import RunFolder, read_json


def list_steps(run: RunFolder) -> list[int]:
    """The steps of which the run keeps a whole checkpoint, in order."""
    folders = run.checkpoints.glob("step-*") if run.checkpoints.exists() else []
    return sorted(int(folder.name.removeprefix("step-")) for folder in folders)


def save_checkpoint(
    run: RunFolder, step: int, target: Path, *, progress: Progress, source: Path | None = None
) -> None:
    """Write the weights that the run had after `step` into the folder `target`.

    `source` holds that checkpoint's files, where the run itself may drop them any time.

    Raises:
        CheckpointError: there is no such checkpoint, or the base has changed since.
    """
    from assay.models.adapters import save_adapter, save_model
    from assay.models.base import load_model
    from assay.models.value_head import remove_value_head
    from assay.train.checkpoint import load_trainable_tensors
    from assay.train.tensor_files import has_tensors, load_tensors

    folder = source or run.checkpoints / f"step-{step}"
    if not has_tensors(folder, "weights"):
        raise CheckpointError(f"{folder}: no checkpoint of this step")
    loaded: Loaded = load(run.recipe, base_dir=read_json(run.manifest).get("recipe_folder"))
    base = find_recipe_base(loaded, run)
    job = Job(loaded.recipe, loaded.base_dir, run, base, progress)
    whole = loaded.recipe.method.trains_base
    model = load_model(base, dtype=choose_precision(loaded.recipe).weights)
    wrapped = add_method(job, model)
    inner = wrapped if whole else wrapped.get_base_model()
    load_trainable_tensors(inner, load_tensors(folder, "weights", inner))
    remove_value_head(inner)
    save = save_model if whole else save_adapter
    save(wrapped, target, tokenizer_folder=base.tokenizer_files)
