"""Completions of a model in training by a vLLM server: its adapters go there before it is asked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from assay.generate.engine import Generation, Progress, Sampling, SequenceScore
from assay.generate.vllm import VllmEngine
from assay.models.served import read_adapter, write_adapter


class SwappedEngine:
    """Asks `engine` as `Engine` says, with the adapters of `model` as they are when it is asked.

    Args:
        engine: a server over the base of `model`.
        model: the causal model with LoRA adapters in it; only they may differ from the base.
        folder: where adapters are written; the server reads it under the same path, and what is
            not loaded there any more is removed.
    """

    def __init__(self, engine: VllmEngine, model: Any, folder: Path) -> None:
        self.engine, self.model, self.folder = engine, model, folder
        self._sent: dict[str, Tensor] = {}
        self._written: Path | None = None
        self._number = 0

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        on_progress: Progress | None = None,
        *,
        places: Sequence[int] | None = None,
    ) -> list[Generation]:
        """See `VllmEngine.generate`; the server is given the adapters first where they changed."""
        self._swap()
        return self.engine.generate(prompts, sampling, on_progress, places=places)

    def stream(self, prompt: Sequence[int], sampling: Sampling) -> Iterator[str]:
        """The completion's text, in one piece."""
        self._swap()
        return self.engine.stream(prompt, sampling)

    def score(
        self, sequences: Sequence[tuple[Sequence[int], Sequence[float]]]
    ) -> list[SequenceScore]:
        """See `VllmEngine.score`."""
        self._swap()
        return self.engine.score(sequences)

    def close(self) -> None:
        """Have the server forget the adapters, and remove what was written of them.

        Raises:
            GenerationError: the server does not; the folder is gone all the same.
        """
        self._sent, self._written = {}, None
        shutil.rmtree(self.folder, ignore_errors=True)
        self.engine.unload_adapter()

    def _swap(self) -> None:
        weights = read_adapter(self.model)
        if self._sent.keys() == weights.keys() and all(
            torch.equal(one, weights[name]) for name, one in self._sent.items()
        ):
            return
        self._number += 1
        target = self.folder / str(self._number)
        write_adapter(self.model, weights, target)
        self.engine.load_adapter(target)
        # A server may read the one that it completes with again, and no other.
        self._remove()
        self._sent, self._written = weights, target

    def _remove(self) -> None:
        if self._written is not None:
            shutil.rmtree(self._written)
            self._written = None
