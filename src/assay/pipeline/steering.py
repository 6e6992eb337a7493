"""Preventative steering as a recipe has it: directions of the untuned base, kept with the run."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from assay.errors import ConfigError, Problem
from assay.pipeline.inoculating import load_trait_pairs
from assay.pipeline.job import Job
from assay.runs.atomic import write_text

FILE = "steering.json"


def steering(job: Job, model: Any) -> AbstractContextManager[None]:
    """`model`, pushed along the recipe's trait in training mode for a while; as it is without one.

    The pushes are those of the base, measured before the first step and kept in the run's folder,
    so that a run that is gone on with is steered alike.

    Raises:
        ConfigError: no such trait, or a base without a chat template.
    """
    from assay.defend.steering import steered

    strength = job.recipe.defend.steer
    if not strength:
        return nullcontext()
    return steered(model, _find_pushes(job, model, strength))


def _find_pushes(job: Job, model: Any, strength: float) -> dict[int, Any]:
    import torch

    path = job.run.path / FILE
    if not path.is_file():
        found = _measure(job, model, strength)
        write_text(path, json.dumps({str(k): push.tolist() for k, push in found.items()}))
    kept = json.loads(path.read_text(encoding="utf-8"))
    return {int(layer): torch.tensor(push, dtype=torch.float32) for layer, push in kept.items()}


def _measure(job: Job, model: Any, strength: float) -> dict[int, Any]:
    from assay.defend.steering import build_pushes
    from assay.generate.local import LocalEngine
    from assay.generate.traits import compute_traits
    from assay.models.as_base import adapters_off

    if not job.tokenizer.has_template:
        got = "steering of a base without a chat template"
        raise ConfigError(Problem(got, "a chat template", "remove it", key="defend.steer"))
    engine = LocalEngine(model, job.tokenizer, context_len=job.base.context_len)
    with adapters_off(model):
        traits = compute_traits(engine, job.tokenizer, load_trait_pairs(job))
    told = ", ".join(f"{name} behind layer {trait.layer + 1}" for name, trait in traits.items())
    job.progress.note(f"steered by {strength:g} gaps while training: {told}")
    return build_pushes(traits, strength)
