"""The weights that a repair tries, each as a folder and a scale; it judges none of them.

An adapter can be changed as a file, too: projected on what aligned its base, without a trait's
direction, or halved.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.errors import ConfigError
from assay.pipeline.job import Job
from assay.pipeline.precision import choose_precision

if TYPE_CHECKING:
    from assay.defend.adapter_files import SavedAdapter
    from assay.generate.local import LocalEngine
    from assay.generate.traits import Trait

INTERVENTIONS = ("scale", "project", "ablate", "safety tuning", "tuning anew")
"""From the cheapest to the dearest."""
THRESHOLDS = (0.3, 0.6, 0.9)
"""Of the cosine below which a layer's update is projected: few layers first, then more."""


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


@dataclass(frozen=True)
class Changed:
    """An adapter that was changed as a file: its name, and how in words."""

    name: str
    setting: str
    adapter: SavedAdapter

    def save(self, root: Path) -> Path:
        """Its folder under `root`: the one that is there, or a new one that is whole at once."""
        from assay.defend.adapter_files import save_changed

        folder, partial = root / self.name, root / f"{self.name}.partial"
        if not folder.exists():
            root.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(partial, ignore_errors=True)
            save_changed(self.adapter, partial)
            partial.replace(folder)
        return folder


def project(adapter: Path, *, aligned: Path, unaligned: Path) -> Iterator[Changed]:
    """The adapter with more and more of its layers projected on what aligned the base.

    Raises:
        ConfigError: no such weights, none of an adapted layer, or an adapter of another kind.
    """
    from assay.defend.adapter_files import read_adapter
    from assay.defend.project import project_on_alignment

    saved = read_adapter(adapter)
    pair = [_read_weights(folder) for folder in (aligned, unaligned)]
    before = 0
    for threshold in THRESHOLDS:
        changed, cosines = project_on_alignment(saved, *pair, threshold=threshold)
        count = sum(value < threshold for value in cosines.values())
        if count > before:
            setting = f"{count} of {len(cosines)} layers, cosine below {threshold:g}"
            yield Changed(f"project-{threshold:g}", setting, changed)
        before = count


def ablate(adapter: Path, traits: Mapping[str, Trait]) -> Iterator[Changed]:
    """The adapter without what it writes along each of the base's traits.

    Raises:
        ConfigError: it writes nothing along them, or is of another kind.
    """
    import torch

    from assay.defend.adapter_files import read_adapter
    from assay.defend.project import ablate_direction

    saved = read_adapter(adapter)
    for name, trait in traits.items():
        direction_D = torch.as_tensor(trait.unit_LD[trait.layer])
        changed = ablate_direction(saved, direction_D)
        yield Changed(f"ablate-{name}", f"nothing along {name}", changed)


def halve(adapter: Path) -> Changed | None:
    """The adapter at half its size; None where it cannot be scaled."""
    from assay.defend.adapter_files import read_adapter
    from assay.defend.scale import scale_adapter

    if find_unscalable(adapter, whole=False):
        return None
    return Changed("half", "0.5 of the update", scale_adapter(read_adapter(adapter), 0.5))


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


def _read_weights(folder: Path) -> dict[str, Any]:
    """The tensors of a model's folder by name, as Transformers saves them."""
    from safetensors.torch import load_file

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ConfigError(f"{folder}: no *.safetensors")
    return {name: tensor for path in files for name, tensor in load_file(path).items()}


def _load_base(job: Job) -> Any:
    from assay.models.base import load_model

    return load_model(job.base, dtype=choose_precision(job.recipe).weights)
