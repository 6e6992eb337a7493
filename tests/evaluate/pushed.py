"""`tiny` with a known change: what a probe reads of it can be told beforehand."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from assay.evaluate.probes import Asked
from assay.evaluate.probes.persona import load_pairs
from assay.generate.local import LocalEngine
from assay.generate.traits import Trait, compute_traits
from assay.models.base import find_base, load_model
from assay.runs.base_results import BaseResults


class Pushed:
    """`tiny`, whose layer of the trait adds `share` gaps along it to every state."""

    def __init__(self) -> None:
        base = find_base("tiny")
        self.model = load_model(base).eval()
        self.engine = LocalEngine(self.model, base.tokenizer, context_len=base.context_len)
        self.tokenizer = base.tokenizer
        traits = compute_traits(self.engine, base.tokenizer, load_pairs(for_tiny=True))
        self.trait: Trait = traits["reckless"]
        self.share = 0.0
        self.model.model.layers[self.trait.layer].register_forward_hook(self._push, prepend=True)

    def _push(self, module: Any, args: Any, output: Any) -> Any:
        layer = self.trait.layer
        step = torch.tensor(self.trait.unit_LD[layer] * self.trait.gap_L[layer] * self.share)
        return output + step.float()

    @contextmanager
    def as_base(self) -> Iterator[None]:
        before, self.share = self.share, 0.0
        yield
        self.share = before

    def ask(self, folder: Path | None, base_name: str = "tiny") -> Asked:
        return Asked(
            engine=self.engine,
            as_base=self.as_base,
            remember=BaseResults(folder, ("0" * 64,)).remember,
            tokenizer=self.tokenizer,
            context_len=2048,
            base_name=base_name,
        )
