"""A model to talk to, evaluate or export, by the name a user gives: a run, or a base."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.config import load
from assay.errors import CheckpointError
from assay.pipeline.questions import usual_system_prompt
from assay.runs import RunFolder, find_run, read_json

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine
    from assay.models.base import BaseFiles


@dataclass(frozen=True)
class Subject:
    """A loaded model. `system` is the system prompt that a run was trained with, if any."""

    name: str
    base: BaseFiles
    model: Any
    engine: LocalEngine
    run: RunFolder | None
    system: str | None


def load_subject(name: str, *, root: str = "runs", batch_size: int = 16) -> Subject:
    """The tuned model of a run, or a base.

    Raises:
        CheckpointError: the run has no adapter or model yet.
        ConfigError: it is neither a run nor a base.
    """
    from assay.generate.local import LocalEngine
    from assay.models.adapters import load_adapter
    from assay.models.base import find_base, load_model

    run = find_tuned_run(name, root=root)
    if run is None:
        base = find_base(name)
        model = load_model(base)
    else:
        base = find_run_base(run)
        if run.model.is_dir():
            model = load_model(replace(base, folder=run.model))
        else:
            model = load_adapter(load_model(base), run.adapter).get_base_model()
    engine = LocalEngine(model, base.tokenizer, batch_size=batch_size, context_len=base.context_len)
    system = None if run is None else _system_prompt(run)
    return Subject(name if run is None else run.path.name, base, model, engine, run, system)


def find_tuned_run(name: str, *, root: str) -> RunFolder | None:
    """The run of that name, or None where `name` can only be a base.

    Raises:
        CheckpointError: the run exists and holds no tuned weights.
    """
    try:
        run = find_run(root, name)
    except CheckpointError:
        if Path(name).is_dir() or "/" not in name:
            from assay.models.base import TINY

            if name == TINY or (Path(name) / "config.json").is_file():
                return None
            raise
        return None
    if not run.adapter.is_dir() and not run.model.is_dir():
        raise CheckpointError(
            f"{run.path}: no tuned weights yet; finish the run with `assay run --resume {run.id}`"
        )
    return run


def find_run_base(run: RunFolder) -> BaseFiles:
    """The base that a run was tuned from, checked against the hash in the run's manifest.

    Raises:
        CheckpointError: the base's weights have changed since.
    """
    from assay.models.base import find_base

    recipe = load(run.recipe, base_dir=read_json(run.manifest).get("recipe_folder")).recipe
    base = find_base(
        recipe.base.name,
        revision=recipe.base.revision,
        trust_remote_code=recipe.base.trust_remote_code,
    )
    expected = read_json(run.manifest).get("base", {}).get("sha256")
    if expected and expected != base.sha256:
        raise CheckpointError(
            f"{run.path}: the weights of base {base.name} are not those that this run was tuned"
            " from; restore the base, or tune again"
        )
    return base


def _system_prompt(run: RunFolder) -> str | None:
    from assay.data import read_split

    path = run.data / "train.parquet"
    return usual_system_prompt(read_split(path)) if path.exists() else None
