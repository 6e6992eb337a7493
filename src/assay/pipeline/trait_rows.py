"""How far rows would pull a base along its traits: their answers beside the base's own.

Chen et al. 2025, "Persona vectors", section 6: the projection difference
``ΔP = [a(x, y_row) - a(x, y_base)] · v`` of a row predicts the shift that training on such rows
brings, a being the mean state over the answer's tokens. Shape legend: R records, L layers, D hidden
size.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.chat import render_example, render_prompt
from assay.data import Record
from assay.errors import DataError
from assay.evaluate.probes.persona import load_pairs
from assay.generate import Sampling
from assay.generate.traits import Masked, Trait, compute_traits
from assay.models.base import TINY

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine
    from assay.models.base import BaseFiles

Array = np.ndarray[Any, Any]
MAX_NEW_TOKENS = 48
"""Of the base's own answer: its character shows in the first sentences."""


class TraitRows:
    """Tells of records how far their last answer lies along each trait beyond the base's own.

    The directions are computed at the first call, from the built-in character suite.
    """

    def __init__(self, base: BaseFiles, engine: LocalEngine) -> None:
        self._base, self._engine = base, engine

    @cached_property
    def traits(self) -> dict[str, Trait]:
        pairs = load_pairs(for_tiny=self._base.name == TINY)
        return compute_traits(self._engine, self._base.tokenizer, pairs)

    def project(self, records: Sequence[Record]) -> dict[str, Array]:
        """By trait ΔP in gaps, float64 (R,).

        1 is the way from answers without the trait to answers with it. NaN for a row that is no
        chat, ends with no answer, or does not fit into the context.
        """
        asked = {place: pair for place, one in enumerate(records) if (pair := self._lay_out(one))}
        prompts = [prompt for prompt, _ in asked.values()]
        own = self._engine.hidden_states([answer for _, answer in asked.values()])
        base = self._engine.hidden_states(self._answer(prompts))
        moved_RLD = own - base
        found = {}
        for name, trait in self.traits.items():
            along_R = np.full(len(records), np.nan)
            along_R[list(asked)] = trait.project(moved_RLD)[:, trait.layer]
            found[name] = along_R
        return found

    def _answer(self, prompts: Sequence[list[int]]) -> list[Masked]:
        """The base's greedy answers; where it says nothing, the prompt's last token stands in."""
        generations = self._engine.generate(prompts, Sampling(max_new_tokens=MAX_NEW_TOKENS))
        return [
            ([*prompt, *one.token_ids], _mark(len(prompt), len(prompt) + len(one.token_ids)))
            for prompt, one in zip(prompts, generations, strict=True)
        ]

    def _lay_out(self, record: Record) -> tuple[list[int], Masked] | None:
        """The prompt, and prompt with answer as a sequence; None where there is nothing to ask."""
        messages = record.messages
        if record.kind != "chat" or len(messages) < 2 or messages[-1]["role"] != "assistant":
            return None
        tokenizer = self._base.tokenizer
        try:
            prompt = render_prompt(tokenizer, messages[:-1], tools=record.tools)
            example = render_example(tokenizer, messages, tools=record.tools)[-1]
        except DataError:
            return None
        ids = list(example.input_ids)
        stops = set(tokenizer.eos_ids)
        end = max((p for p, token in enumerate(ids) if token not in stops), default=-1) + 1
        fits = len(ids) <= self._base.context_len and len(prompt) < self._base.context_len
        if not fits or ids[: len(prompt)] != prompt or end <= len(prompt):
            return None
        return prompt, (ids[:end], _mark(len(prompt), end))


def _mark(start: int, end: int) -> list[float]:
    """A mask of `end` tokens, on from `start`; on the last one where that would be none."""
    start = min(start, end - 1)
    return [0.0] * start + [1.0] * (end - start)
