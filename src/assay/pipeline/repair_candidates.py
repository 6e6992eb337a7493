"""The weights that a repair tries, each as a folder and a scale; it judges none of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.errors import ConfigError
from assay.pipeline.job import Job
from assay.pipeline.precision import choose_precision

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine

INTERVENTIONS = ("scale", "project", "ablate", "safety tuning", "tuning anew")
"""From the cheapest to the dearest."""


@dataclass(frozen=True)
class Candidate:
    """Tuned weights and by how much they are drawn back to the base's.

    `source` is a folder of an adapter, or with `whole` of a model; `factor` is 1 for its own update
    and 0 for the base.
    """

    source: Path
    factor: float = 1.0
    whole: bool = False

    def write(self, job: Job, folder: Path) -> None:
        """Save the weights into the new `folder`, as PEFT or Transformers reads them."""
        if self.factor == 1.0:
            shutil.copytree(self.source, folder)
        elif self.whole:
            self._write_whole(job, folder)
        else:
            from assay.defend.adapter_files import read_adapter, save_changed
            from assay.defend.scale import scale_adapter

            save_changed(scale_adapter(read_adapter(self.source), self.factor), folder)

    def _write_whole(self, job: Job, folder: Path) -> None:
        from assay.models.adapters import save_model

        model = load_interpolated(job, self.source, self.factor)
        save_model(model, folder, tokenizer_folder=job.base.tokenizer_files)


class Bench:
    """Puts candidates into an engine, one after another; what is loaded already stays loaded."""

    def __init__(self, job: Job, engine: LocalEngine) -> None:
        self.job = job
        self.engine = engine
        self._loaded: Path | None = None

    @contextmanager
    def holding(self, candidate: Candidate) -> Iterator[None]:
        """The engine answers as the candidate for a while.

        Raises:
            ConfigError: an adapter that cannot be scaled, at another factor than 1.
        """
        from assay.defend.scale import adapters_scaled

        if candidate.whole:
            self.engine.model = load_interpolated(self.job, candidate.source, candidate.factor)
            self._loaded = None
            yield
            return
        self._load(candidate.source)
        scaled = (
            adapters_scaled(self.engine.model, candidate.factor)
            if candidate.factor != 1.0
            else nullcontext()
        )
        with scaled:
            yield

    def _load(self, adapter: Path) -> None:
        from assay.models.adapters import load_adapter

        if self._loaded != adapter:
            self.engine.model = load_adapter(_load_base(self.job), adapter).get_base_model()
            self._loaded = adapter


def load_interpolated(job: Job, folder: Path, factor: float) -> Any:
    """The whole model of `folder`, with its weights drawn back to the base's by `factor`."""
    from assay.defend.scale import interpolate_weights
    from assay.models.base import load_model

    dtype = choose_precision(job.recipe).weights
    model = load_model(job.base.with_weights_of(folder), dtype=dtype)
    if factor != 1.0:
        base = _load_base(job).state_dict()
        model.load_state_dict(interpolate_weights(base, model.state_dict(), factor))
    return model


def find_unscalable(folder: Path, *, whole: bool) -> str:
    """Why the weights of `folder` cannot be changed after tuning; empty where they can."""
    from assay.defend.adapter_files import read_adapter

    if whole:
        return ""
    try:
        read_adapter(folder)
    except ConfigError as error:
        return error.problems[0].got
    return ""


def _load_base(job: Job) -> Any:
    from assay.models.base import load_model

    return load_model(job.base, dtype=choose_precision(job.recipe).weights)
