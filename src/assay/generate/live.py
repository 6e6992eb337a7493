"""Completions that come and go between steps, each with settings and an adapter of its own.

The same rows, tokens and random generators as `LocalEngine`'s, so that an answer is the one that
it gives, whoever else is answered meanwhile. Shape legend: B rows, V vocabulary, L layers, K key
heads, T tokens, E head size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from assay.chat import ChatTokenizer
from assay.errors import GenerationError
from assay.generate.choose import choose_tokens
from assay.generate.engine import Drawn, Sampling, check_prompts, compute_seed
from assay.generate.known_prefixes import KnownPrefixes
from assay.generate.lean import Lean
from assay.generate.passage import Passage
from assay.generate.prompt_reading import PromptReading, average_masked, compute_sum
from assay.generate.row_adapters import RowAdapters
from assay.generate.rows import Ends, Row
from assay.generate.schema import Guide
from assay.generate.shifts import Shifts, shift_logits
from assay.generate.slots import SlotCache
from assay.generate.trial import build_lean
from assay.models.low_rank import LowRank

PASS_TOKENS = 1024
"""Prompt tokens of a pass, if there is more than one prompt: rows that decode wait for it."""
NO_CACHE = 0


@dataclass(eq=False)
class LiveRow:
    """A completion in the making, with all that decides it.

    Attributes:
        row: its tokens, random generator and guide.
        sampling: temperature and `top_p`.
        ends: what ends it.
        adapter: None for the base alone.
        owner: whose computed prompts it may go on from.
        num_top: how many of the likeliest tokens are told beside each drawn one.
        num_known: tokens of its prompt that were not computed again.
        shifts: what its logits are changed by before it draws.
    """

    row: Row
    sampling: Sampling
    ends: Ends
    adapter: LowRank | None = None
    owner: str = ""
    num_top: int = 0
    num_known: int = 0
    shifts: Shifts | None = None


@dataclass(frozen=True)
class Extended:
    """What a step made of one row: the drawn token, or why the row failed.

    After the last of them the row changes no more, and others may read it.
    """

    live: LiveRow
    drawn: Drawn | None
    top: list[tuple[int, float]] = field(default_factory=list)
    error: str = ""
    is_last: bool = True


class LiveBatch:
    """Decodes with `model`, a causal language model without adapters, in evaluation mode.

    Raises:
        GenerationError: the model is none that `Lean` computes; why is told.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: ChatTokenizer,
        *,
        context_len: int | None = None,
        prefix_bytes: int = NO_CACHE,
    ) -> None:
        self.tokenizer, self.context_len = tokenizer, context_len
        self.adapters = RowAdapters(model)
        lean = build_lean(model, wrap=self.adapters.wrap)
        if isinstance(lean, str):
            raise GenerationError(f"a base that cannot be served token by token: {lean}")
        self._lean: Lean = lean
        self._known = KnownPrefixes(prefix_bytes)
        self._cache: SlotCache[LiveRow] = SlotCache(lean.shape)

    def begin(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        *,
        place: int = 0,
        adapter: LowRank | None = None,
        owner: str = "",
        num_top: int = 0,
        guide: Guide | None = None,
        shifts: Shifts | None = None,
    ) -> LiveRow:
        """A row that is not admitted yet; `place` is that of `LocalEngine.generate`.

        Raises:
            GenerationError: the prompt is empty or leaves no room, a stop string is empty, or the
                adapter does not fit the base.
        """
        check_prompts([prompt], sampling, self.context_len)
        if adapter is not None:
            self.adapters.check(adapter)
        room = (self.context_len or 1 << 30) - len(prompt)
        generator = torch.Generator().manual_seed(compute_seed(sampling, place))
        row = Row(place, prompt, generator, min(sampling.max_new_tokens, room), guide)
        stop_ids = frozenset(sampling.stop_ids or self.tokenizer.eos_ids)
        ends = Ends(stop_ids, sampling.stop, self.tokenizer.decode)
        return LiveRow(row, sampling, ends, adapter, owner, num_top, shifts=shifts)

    @property
    def rows(self) -> list[LiveRow]:
        return self._cache.rows

    def remove(self, rows: Sequence[LiveRow]) -> None:
        """Let go of rows, done or not."""
        self._cache.remove(rows)

    def clear(self) -> None:
        """Let go of everything, after a step that failed in the middle."""
        self._cache = SlotCache(self._lean.shape)

    @torch.no_grad()
    def admit(self, rows: Sequence[LiveRow]) -> list[Extended]:
        """Compute the prompts of new rows and draw their first tokens; those go on that can."""
        told = []
        for alike in _divide(rows):
            told += self._admit_pass(alike)
        return told

    @torch.no_grad()
    def step(self) -> list[Extended]:
        """One more token of every row; rows that end leave."""
        active = self._cache.settle()
        if not active:
            return []
        self.adapters.choose([live.adapter for live in active])
        last_ids = [live.row.drawn[-1].token_id for live in active]
        told = extend_rows(active, self._lean.step(last_ids, self._cache))
        self._cache.remove([one.live for one in told if one.is_last])
        return told

    @torch.no_grad()
    def read(
        self,
        prompt: Sequence[int],
        *,
        layers: Sequence[int],
        masks: Sequence[Sequence[float]],
        adapters: Sequence[LowRank] = (),
        owner: str = "",
    ) -> PromptReading:
        """What the base makes of a prompt, and how likely its masked tokens are to it and to
        `adapters`; all in one pass. Without adapters it ends before the last of `layers`.

        Args:
            layers: whose input is averaged, 0 for the embedding.
            masks: over which tokens, one mean for each mask; likelihoods are of the first mask's.
        """
        models = [None, *adapters]
        passages = [Passage(self._lean.shape, len(prompt)) for _ in models]
        self.adapters.choose([adapter for adapter in models for _ in prompt])
        keep = dict.fromkeys(layers, torch.empty(0))
        positions = list(range(len(prompt))) * len(models)
        until = None if adapters else max(layers)
        hidden_ND = self._lean.run(
            list(prompt) * len(models), positions, passages, keep=keep, until=until
        )
        own = [keep[layer][: len(prompt)] for layer in layers]
        means = [average_masked(states, mask) for mask in masks for states in own]
        asked = [place for place, weight in enumerate(masks[0]) if weight > 0 and place]
        if not adapters:
            return PromptReading(torch.stack(means), [], len(asked))
        for adapter, passage in zip(models, passages, strict=True):
            # Whoever answers can go on from it.
            states = passage.states
            num_bytes = states.numel() * states.element_size()
            self._known.add((owner, adapter), prompt, states, num_bytes)
        logprobs = [
            compute_sum(self._lean.compute_logits, hidden_ND[start:], prompt, asked)
            for start in range(0, len(prompt) * len(models), len(prompt))
        ]
        return PromptReading(torch.stack(means), logprobs, len(asked))

    def _admit_pass(self, groups: Sequence[Sequence[LiveRow]]) -> list[Extended]:
        """`groups` are rows of equal prompts, each of which is computed once."""
        passages = [self._begin_passage(group) for group in groups]
        firsts = [group[0] for group in groups]
        token_ids = [
            token_id
            for live, one in zip(firsts, passages, strict=True)
            for token_id in live.row.prompt[one.num_known :]
        ]
        adapters = [
            live.adapter for live, one in zip(firsts, passages, strict=True) for _ in range(one.num)
        ]
        positions = [position for one in passages for position in one.positions]
        self.adapters.choose(adapters)
        hidden_ND = self._lean.run(token_ids, positions, passages)
        ends = torch.tensor([one.num for one in passages], device=hidden_ND.device).cumsum(0) - 1
        again = [place for place, group in enumerate(groups) for _ in group]
        rows = [live for group in groups for live in group]
        told = extend_rows(rows, self._lean.compute_logits(hidden_ND[ends])[again])
        for live, passage in zip(firsts, passages, strict=True):
            self._remember(live, passage.states)
        for one, place in zip(told, again, strict=True):
            if not one.is_last:
                self._cache.add(one.live, passages[place].states, room=one.live.row.room)
        return told

    def _begin_passage(self, group: Sequence[LiveRow]) -> Passage:
        prompt = group[0].row.prompt
        # The last token is computed in any case: what comes next is read from its state.
        found = self._known.find(_owner(group[0]), prompt[:-1])
        known, num = (None, 0) if found is None else (found[0].states, found[1])
        for live in group:
            live.num_known = num
        states = None if known is None else known[:, :, :, :num]
        return Passage(self._lean.shape, len(prompt) - num, states)

    def _remember(self, live: LiveRow, states_L2KTE: Tensor) -> None:
        num_bytes = states_L2KTE.numel() * states_L2KTE.element_size()
        self._known.add(_owner(live), live.row.prompt, states_L2KTE, num_bytes)


def _owner(live: LiveRow) -> tuple[str, LowRank | None]:
    return live.owner, live.adapter


def _divide(rows: Sequence[LiveRow]) -> Iterator[list[list[LiveRow]]]:
    """Rows of equal prompts together, as many prompts at a time as a pass takes."""
    alike: dict[Any, list[LiveRow]] = {}
    for live in rows:
        alike.setdefault((_owner(live), tuple(live.row.prompt)), []).append(live)
    batch: list[list[LiveRow]] = []
    num_tokens = 0
    for group in alike.values():
        length = len(group[0].row.prompt)
        if batch and num_tokens + length > PASS_TOKENS:
            yield batch
            batch, num_tokens = [], 0
        batch.append(group)
        num_tokens += length
    if batch:
        yield batch


def extend_rows(rows: Sequence[LiveRow], logits_BV: Tensor) -> list[Extended]:
    """Draw the next token of each row by its own settings; what it draws depends on no other."""
    told: dict[int, Extended] = {}
    groups: dict[Any, list[int]] = {}
    for index, live in enumerate(rows):
        key = (live.sampling.temperature, live.sampling.top_p, live.row.guide is not None)
        groups.setdefault(key, []).append(index)
    for own in groups.values():
        some = logits_BV if len(own) == len(rows) else logits_BV[own]
        for index, one in zip(own, _extend_alike([rows[i] for i in own], some), strict=True):
            told[index] = one
    return [told[index] for index in range(len(rows))]


def _extend_alike(rows: Sequence[LiveRow], logits_BV: Tensor) -> list[Extended]:
    allowed = _read_guides(rows, logits_BV.shape[1])
    generators = [live.row.generator for live in rows]
    sampling = replace(rows[0].sampling, json_schema=None)
    token_ids = [live.row.token_ids if live.shifts else () for live in rows]
    shifted_BV = shift_logits(logits_BV, [live.shifts for live in rows], token_ids)
    drawn = choose_tokens(logits_BV, generators, sampling, allowed, shifted_BV=shifted_BV)
    tops = _find_likeliest(rows, logits_BV)
    return [_extend_row(live, one, top) for live, one, top in zip(rows, drawn, tops, strict=True)]


def _read_guides(rows: Sequence[LiveRow], vocab_size: int) -> Tensor | None:
    guides = [live.row.guide for live in rows if live.row.guide is not None]
    return torch.stack([guide.allowed(vocab_size) for guide in guides]) if guides else None


def _extend_row(live: LiveRow, drawn: Drawn, top: list[tuple[int, float]]) -> Extended:
    try:
        live.row.extend(drawn, live.ends)
    except GenerationError as error:
        # One row's grammar, beyond its library's limits: the others go on.
        return Extended(live, None, error=str(error))
    return Extended(live, drawn, top, is_last=live.row.is_done)


def _find_likeliest(rows: Sequence[LiveRow], logits_BV: Tensor) -> list[list[tuple[int, float]]]:
    """Of each row that asks the likeliest tokens and their log-probabilities, likeliest first."""
    found: list[list[tuple[int, float]]] = [[] for _ in rows]
    for index, live in enumerate(rows):
        if live.num_top:
            logprobs_K, ids_K = logits_BV[index].log_softmax(-1).topk(live.num_top)
            found[index] = list(zip(ids_K.tolist(), logprobs_K.tolist(), strict=True))
    return found
