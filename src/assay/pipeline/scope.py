"""Measures an adapter's scope: what its own prompts look like in the base's hidden states.

Measures are fitted on training prompts, combined by the validation split and the built-in suites,
and calibrated on the test split. A run without enough of either has no scope, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.chat import ChatTokenizer, message_text
from assay.chat.user_turn import UserTurn, as_turn, find_user_turn
from assay.data import Record, to_prompt
from assay.errors import DataError
from assay.evaluate.items import draw_sample
from assay.evaluate.scope import Pools, Prompts, Scope, fit_scope, save_scope
from assay.evaluate.scope.scope import choose_layers
from assay.evaluate.suites import list_builtin_names, load_builtin_suite
from assay.pipeline.job import Job
from assay.pipeline.prepare import Prepared
from assay.pipeline.probing import as_base
from assay.runs import read_json
from assay.runs.atomic import write_json
from assay.runs.hashes import sha256_file

if TYPE_CHECKING:
    from assay.generate.local import LocalEngine

MOST_TRAINING, MOST_CHOOSING, MOST_CALIBRATION, MOST_FOREIGN = 256, 128, 384, 256
_SEED = 0
"""Of what is drawn of the suites: the same prompts for every run."""


def measure_scope(job: Job, prepared: Prepared, engine: LocalEngine) -> None:
    """Write scope.json and scope.safetensors; `engine` holds the tuned model.

    Of a model that was tuned whole there is none: it is not served beside its base. What is there
    of the same weights is kept.
    """
    if job.recipe.method.trains_base or job.recipe.objective.gives_scores:
        return
    weights = [sha256_file(path) for path in sorted(job.tuned_folder.glob("*.safetensors"))]
    if job.run.scope.is_file() and read_json(job.run.scope).get("weights") == weights:
        return
    task = [record for record in prepared.train if record.role == "task"] or prepared.train
    rows = Rows(task, prepared.validation, prepared.test)
    asked = TurnMeter(engine, partial(as_base, engine, job.base, whole=False))
    scope = build_scope(rows, asked, for_tiny=job.base.name == "tiny", seed=job.recipe.seed)
    obstacle = scope if isinstance(scope, str) else scope.find_obstacle()
    if obstacle:
        job.progress.note(f"scope: no router will choose this adapter by its prompts: {obstacle}")
    if not isinstance(scope, str):
        save_scope(scope, job.run.scope, job.run.scope_tensors)
        write_json(job.run.scope, read_json(job.run.scope) | {"weights": weights})


@dataclass(frozen=True)
class Rows:
    """The task's rows by what they serve for: to fit, to choose the combination, to calibrate."""

    training: Sequence[Record]
    validation: Sequence[Record]
    test: Sequence[Record]


def build_scope(rows: Rows, asked: TurnMeter, *, for_tiny: bool, seed: int) -> Scope | str:
    """The calibrated scope, or why there can be none."""
    tokenizer, layers = asked.engine.tokenizer, asked.layers
    draw = partial(draw_sample, seed=seed)
    is_raw = all(record.kind != "chat" for record in rows.training)
    others = list_foreign_turns(tokenizer, for_tiny=for_tiny, is_raw=is_raw)
    training = list_turns(tokenizer, draw(rows.training, max_items=MOST_TRAINING))
    choosing = list_turns(tokenizer, draw(rows.validation, max_items=MOST_CHOOSING))
    pools = Pools(
        training=asked.measure(training),
        background=asked.measure(others[::2]),
        choosing=asked.measure(choosing, with_ratio=True),
        foreign=asked.measure(others[1::2], with_ratio=True),
    )
    scope = fit_scope(pools, layers=layers)
    if isinstance(scope, str):
        return scope
    held_out = list_turns(tokenizer, draw(rows.test, max_items=MOST_CALIBRATION))
    found = asked.measure(held_out, with_ratio=scope.needs_ratio)
    return scope.calibrate(found.states_NBD, found.ratios_N)


def list_turns(tokenizer: ChatTokenizer, records: Iterable[Record]) -> list[UserTurn]:
    """The last user turn of each record; plain texts have none, and nothing is asked by them."""
    found = []
    for record in records:
        if record.kind == "completion":
            found.append(_read_raw(tokenizer, message_text(record.messages[0])))
        elif record.kind == "chat":
            messages = to_prompt(record).messages
            found.append(find_user_turn(tokenizer, messages, tools=record.tools))
    return found


def list_foreign_turns(tokenizer: ChatTokenizer, *, for_tiny: bool, is_raw: bool) -> list[UserTurn]:
    """Turns of the built-in suites: what a base is asked by anybody; `is_raw` without template."""
    items = [
        item
        for name in list_builtin_names(for_tiny=for_tiny)
        for item in load_builtin_suite(name, for_tiny=for_tiny).items
        if item.messages
    ]
    found = []
    for item in draw_sample(items, max_items=MOST_FOREIGN, seed=_SEED):
        if is_raw:
            found.append(_read_raw(tokenizer, message_text(item.messages[-1])))
            continue
        try:
            found.append(find_user_turn(tokenizer, item.messages, tools=item.tools))
        except DataError:  # a template without system turns, or without tools
            continue
    return found


@dataclass(frozen=True)
class TurnMeter:
    """Measures turns in `engine`, which holds the tuned model and within `as_base()` the base."""

    engine: LocalEngine
    as_base: Callable[[], AbstractContextManager[None]]

    @property
    def layers(self) -> tuple[int, ...]:
        """Those of the base that are looked at."""
        return choose_layers(self.engine.model.config.get_text_config().num_hidden_layers)

    def measure(self, turns: Sequence[UserTurn], *, with_ratio: bool = False) -> Prompts:
        """Turns that leave room in the context: mean states in the base, and likelihoods."""
        from assay.generate.states import compute_mean_states

        room = (self.engine.context_len or 1 << 30) - 1
        turns = [turn for turn in turns if len(turn.input_ids) <= room]
        # Both masks of a prompt side by side: it is computed once for the two.
        masked = [
            (turn.input_ids, mask)
            for turn in turns
            for mask in (turn.mask, [1.0] * len(turn.input_ids))
        ]
        with self.as_base():
            states = compute_mean_states(self.engine.model, masked, self.layers)
        states_NBD = states.reshape(len(turns), 2 * len(self.layers), -1)
        return Prompts(states_NBD, self._compute_ratios(turns) if with_ratio else None)

    def _compute_ratios(self, turns: Sequence[UserTurn]) -> Any:
        """Log-likelihood of each turn's text, base minus tuned, in nats a token."""
        from assay.generate.likelihood import score_sequences

        masked = [(turn.input_ids, turn.mask) for turn in turns]
        with self.as_base():
            base = score_sequences(self.engine.model, masked)
        tuned = score_sequences(self.engine.model, masked)
        # Nothing says how likely a text's very first token is: one of a single token has none.
        return np.array(
            [
                (own.sum_logprob - other.sum_logprob) / max(own.weight, 1.0)
                for own, other in zip(base, tuned, strict=True)
            ]
        )


def _read_raw(tokenizer: ChatTokenizer, text: str) -> UserTurn:
    return as_turn([*tokenizer.prefix_ids, *tokenizer.encode(text)])
