"""A model to talk to, evaluate or export, by the name a user gives: a run, or a base."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.config import Loaded, Recipe, load
from assay.config.start import count_virtual_tokens
from assay.errors import CheckpointError, ConfigError, Problem, UsageError
from assay.pipeline.questions import usual_system_prompt
from assay.runs import RunFolder, find_run, read_json
from assay.runs.values import dig

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine
    from assay.models.base import BaseFiles
    from assay.models.quantize import Quantization


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
        UsageError: the run is of a reward model.
    """
    from assay.generate.local import LocalEngine
    from assay.models.adapters import load_adapter
    from assay.models.base import find_base, load_model

    run = find_tuned_run(name, root=root)
    if run is None:
        base = find_base(name)
        model = load_model(base)
    else:
        refuse_reward_model(run)
        base = find_run_base(run)
        if run.model.is_dir():
            model = load_model(base.with_weights_of(run.model))
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


def refuse_reward_model(run: RunFolder) -> None:
    """Refuse a run whose model gives no answers.

    Raises:
        UsageError: it is one of a reward model.
    """
    folder = read_json(run.manifest).get("recipe_folder")
    if load(run.recipe, base_dir=folder).recipe.objective.gives_scores:
        problem = Problem(
            got=f"{run.path}, a reward model, which scores answers and gives none",
            allowed="a run of another objective, or a base",
            do="load it by Transformers or PEFT from the run's folder (docs/methods.md), or name it"
            " in a grader of type reward_model",
        )
        raise UsageError(problem)


def find_run_base(run: RunFolder) -> BaseFiles:
    """The base that a run was tuned from, checked as `find_recipe_base` does.

    Raises:
        CheckpointError: the base or its template has changed since.
    """
    folder = read_json(run.manifest).get("recipe_folder")
    return find_recipe_base(load(run.recipe, base_dir=folder), run)


def find_recipe_base(loaded: Loaded, run: RunFolder, *, verify: bool = True) -> BaseFiles:
    """The base that a recipe names, from the recipe's folder; at the commit that `run` began with.

    It is loaded as the recipe's method has it: with qlora in few bits, wherever that may be. With
    `verify` off its files are not hashed: they just were.

    Raises:
        ConfigError: no such base.
        CheckpointError: the run began with another base or template; each hash is compared.
    """
    from assay.models.base import find_base
    from assay.models.new_tokens import extend_base

    known, config = read_json(run.manifest), loaded.recipe.base
    base = find_base(
        config.name,
        revision=dig(known, "base", "revision") or config.revision,
        trust_remote_code=config.trust_remote_code,
        base_dir=loaded.base_dir,
    )
    # Virtual tokens stand in the context too, before every sequence.
    context_len = base.context_len - count_virtual_tokens(loaded.recipe.method, loaded.base_dir)
    base = replace(base, quantization=read_quantization(loaded.recipe), context_len=context_len)
    if config.new_tokens:
        base = extend_base(base, config.new_tokens, run.tokenizer)
    for section, found in describe_base(base).items() if verify else ():
        if section in known and known[section].get("sha256") != found["sha256"]:
            what = "chat template" if section == "template" else "weights, config.json or tokenizer"
            raise CheckpointError(
                f"{run.path}: the {what} of base {base.name} changed since this run began (SHA-256"
                f" {found['sha256']}, was {known[section].get('sha256')}); restore the base, or"
                " start a new run"
            )
    return base


def read_quantization(recipe: Recipe) -> Quantization | None:
    """How the recipe's method holds the base; None where as it is."""
    from assay.models.quantize import Quantization

    method = recipe.method
    if method.type != "qlora":
        return None
    double = method.quantization != "int8"
    dtype = {"auto": "auto", "bf16": "bf16"}.get(recipe.train.precision, "fp32")
    return Quantization(method.quantization, double, dtype)


def check_packages(loaded: Loaded) -> None:
    """Whether what the recipe's method needs is installed; nothing is imported.

    Raises:
        ConfigError: bitsandbytes is missing, and the method or the optimizer needs it.
    """
    from assay.models.quantize import find_missing_optimizer_package, find_missing_package

    missing = [
        find_missing_package() if loaded.recipe.method.type == "qlora" else None,
        find_missing_optimizer_package(loaded.recipe.train.optimizer),
    ]
    problems = [loaded.locate(problem) for problem in missing if problem]
    if problems:
        raise ConfigError(problems)


def describe_base(base: BaseFiles) -> dict[str, dict[str, Any]]:
    """The sections `base` and `template` of a run's manifest."""
    tokenizer = base.tokenizer
    template = tokenizer.template_sha256 if tokenizer.has_template else None
    return {
        "base": {"name": base.name, "revision": base.revision, "sha256": base.sha256},
        "template": {"sha256": template},
    }


def _system_prompt(run: RunFolder) -> str | None:
    from assay.data import read_split

    # Held-out rows are of the task alone; rows that only keep the base's skills have other prompts.
    for name in ("test", "train"):
        path = run.data / f"{name}.parquet"
        if path.exists() and (records := read_split(path)):
            return usual_system_prompt(records)
    return None
