"""On-policy distillation: a share of each step's rows gets answers that the student writes anew.

The student then learns from its teacher on what it says itself, and not on what the data say
(Agarwal et al. 2024, "On-policy distillation of language models", algorithm 1, where the share is
λ; here it is of rows, and not of steps). Nothing is learned through the sampling itself.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from assay.data import TokenSequence
from assay.data.sequences import find_runs
from assay.generate.engine import Engine, Generation, Sampling
from assay.train.step import autocast


@dataclass(frozen=True)
class OnPolicySettings:
    """Which rows are written anew, and how.

    Attributes:
        share: of a step's rows, in (0, 1].
        max_new_tokens: of an answer; one that is cut off there is learned from all the same.
        temperature: of sampling, above 0.
        precision: of the student's passes, as in training.
        seed: of which rows are chosen, and of what is sampled.
    """

    share: float
    max_new_tokens: int
    temperature: float = 1.0
    precision: str = "fp32"
    seed: int = 0


class OnPolicy:
    """Rows of a step with answers of `model` as it is in that step.

    What it gives is a pure function of the weights, the step, and a row's place in it: a resumed
    run samples the same, however many ranks share the step.

    Args:
        model: the causal model that learns, in `packed_mode`.
        engine: decodes with that model.
        settings: see there.
    """

    def __init__(self, model: Any, engine: Engine, settings: OnPolicySettings) -> None:
        self.model, self.engine, self.settings = model, engine, settings

    def write(
        self, sequences: Sequence[TokenSequence], places: Sequence[int], *, step: int
    ) -> list[TokenSequence]:
        """The sequences, of which those that are chosen end with an answer of the model's own.

        `places` are those of the sequences among all of the step's. The last answer of a row is
        written anew, and what stands before it is not learned from; anchored rows stay.
        """
        chosen = [
            number
            for number, one in enumerate(sequences)
            if self._is_chosen(step, places[number]) and not one.is_anchored
        ]
        prompts = [find_prompt(sequences[number]) for number in chosen]
        settings = self.settings
        seed = random.Random(f"on_policy:{settings.seed}:{step}").getrandbits(32)
        sampling = Sampling(settings.max_new_tokens, settings.temperature, seed=seed)
        written = self._generate(prompts, sampling, [places[number] for number in chosen])
        found = list(sequences)
        for number, prompt, one in zip(chosen, prompts, written, strict=True):
            found[number] = build_sequence(sequences[number], prompt, one)
        return found

    def _is_chosen(self, step: int, place: int) -> bool:
        draw = random.Random(f"on_policy:{self.settings.seed}:{step}:{place}")
        return draw.random() < self.settings.share

    def _generate(
        self, prompts: Sequence[list[int]], sampling: Sampling, places: Sequence[int]
    ) -> list[Generation]:
        if not prompts:
            return []
        device = next(self.model.parameters()).device
        with autocast(self.settings.precision, device):
            return self.engine.generate(prompts, sampling, places=places)


def find_prompt(sequence: TokenSequence) -> list[int]:
    """The tokens before the last answer of a row."""
    start, _ = find_runs(sequence.loss_mask)[-1]
    return sequence.input_ids[:start]


def build_sequence(
    row: TokenSequence, prompt: Sequence[int], generation: Generation
) -> TokenSequence:
    """The prompt with the answer, stop token included; each token weighs as the row's own did."""
    ids = list(generation.token_ids)
    if generation.stop_token is not None:
        ids.append(generation.stop_token.token_id)
    start, _ = find_runs(row.loss_mask)[-1]
    mask = [0.0] * len(prompt) + [row.loss_mask[start]] * len(ids)
    return replace(row, input_ids=[*prompt, *ids], loss_mask=mask)
